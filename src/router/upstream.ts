/** An HTTP server behind the gateway: one request forwarded, its answer relayed as it comes. */

import { isIP } from 'node:net';
import { buildConnector, type Dispatcher, Pool } from 'undici';
import type { Log } from '../log.ts';
import type { Limits } from './config.ts';
import { type Answer, type Exchange, type Handler, streamed } from './handler.ts';
import { type Relayed, relay, smallAnswer } from './relay.ts';
import { announcedLength, bodyStream, hasBody } from './request-body.ts';
import { type Client, type Slots, slots } from './slots.ts';
import { headerMap, type Passed, requestHeaders } from './upstream-headers.ts';
import { webSocket } from './web-socket.ts';

export interface Upstream extends AsyncDisposable {
  readonly service: Handler;
  /** Status of the answer to a GET. `timeout` in seconds. */
  probe(path: string, timeout: number): Promise<number>;
  /** Requests and streams under way. */
  readonly busy: number;
  /** Ends what only listens, so that a gateway which is about to stop need not wait for it. */
  quiesce(): void;
}

export interface UpstreamServer {
  /** `http://`, `https://`, or `unix:` and the path of a socket. */
  readonly url: string;
  /** Added to every request. */
  readonly headers: Readonly<Record<string, string>>;
  /** `endpoint`: requests go to the URL itself, whatever path the client used. `site`: the path is added to the URL's. [endpoint] */
  readonly as?: Passed['as'];
  /** Whether the service sees the host that the client asked for. [false] */
  readonly passHostHeader?: boolean;
  /** How an https server is verified. */
  readonly tls?: UpstreamTls;
}

export interface UpstreamTls {
  /** PEM of the authorities to believe instead of the usual ones. */
  readonly ca?: string;
  /** The name in its certificate, where it is not the host of its URL. */
  readonly servername?: string;
}

/** A redirect within the server is followed this often: `/mcp` to `/mcp/` is one. */
const mostRedirects = 2;

export function upstream(server: UpstreamServer, { log, limits }: { log: Log; limits: Limits }): Upstream {
  const { url: endpoint, socketPath } = addressOf(server.url);
  const passed = { as: server.as ?? 'endpoint', hostHeader: server.passHostHeader ?? false };
  const { ca, servername = isIP(endpoint.hostname) ? undefined : endpoint.hostname } = server.tls ?? {};
  const connect = buildConnector({
    timeout: limits.connectTimeout * 1000,
    allowH2: false,
    ...(ca !== undefined && { ca }),
    ...(socketPath !== undefined && { socketPath }),
  });
  const pool = new Pool(endpoint.origin, {
    pipelining: 1,
    // A certificate is for the server of our configuration, whatever Host the client sent on.
    connect: (options, done) => connect({ ...options, ...{ servername: servername ?? '' } }, done),
    headersTimeout: limits.responseTimeout * 1000,
    // An event stream may be silent for as long as it likes; other answers are timed by the relay.
    bodyTimeout: 0,
    maxHeaderSize: 32 * 1024,
  });
  const calls = slots(limits.upstreamConnections, limits.upstreamQueue, limits.upstreamQueueWait);
  const streams = slots(limits.upstreamStreams, 0, 0);
  const listening = new Set<() => void>();

  const base = endpoint.pathname.replace(/\/$/, '');
  const added = headerMap(server.headers);

  return {
    get busy() {
      return calls.taken + streams.taken;
    },
    async probe(path, timeout) {
      const signal = AbortSignal.timeout(timeout * 1000);
      const servername = endpoint.hostname;
      const question = { path: `${base}${path}`, method: 'GET', signal, servername } as const;
      const { statusCode, body } = await pool.request(question);
      await body.dump();
      return statusCode;
    },
    async service(exchange) {
      const { req, res } = exchange;
      exchange.notes.upstream = socketPath ?? endpoint.origin;
      const client = clientOf(res);
      const isEndpoint = passed.as === 'endpoint';
      if (isEndpoint && req.method === 'GET') {
        const end = () => res.destroy();
        listening.add(end);
        res.once('close', () => listening.delete(end));
      }
      const path = isEndpoint
        ? `${endpoint.pathname}${endpoint.search || exchange.query}`
        : `${base}${exchange.path}${exchange.query}`;
      const headers = requestHeaders(exchange, added, passed);
      if (exchange.upgrade !== undefined && !isEndpoint) {
        const secure = { ...(ca !== undefined && { ca }), ...(servername !== undefined && { servername }) };
        const to = { url: endpoint, path, headers, secure, ...(socketPath !== undefined && { socketPath }) };
        return webSocket(exchange, exchange.upgrade, { ...to, streams, listening, limits });
      }
      // A GET at an MCP endpoint is an event stream that stays: it must not use up what calls need.
      const from = isEndpoint && req.method === 'GET' ? streams : calls;
      const body = await bodyFor(exchange, isEndpoint, limits.body);
      const shared = { exchange, pool, endpoint, log, limits, passed, streams, listening, client };
      try {
        return await forward({ ...shared, from, body, headers }, path, 0);
      } catch (error) {
        if (client.gone) return streamed;
        throw error;
      }
    },
    quiesce() {
      for (const end of listening) end();
    },
    async [Symbol.asyncDispose]() {
      for (const end of listening) end();
      await pool.destroy();
    },
  };
}

function clientOf(res: Exchange['res']): Client {
  const client = { gone: false, whenGone: undefined as Client['whenGone'] };
  res.once('close', () => {
    client.gone = true;
    client.whenGone?.();
  });
  return client;
}

interface Forwarded extends Relayed {
  readonly pool: Pool;
  readonly from: Slots;
  /** A stream is opened when it is the request's turn, since opening it asks the client for it. */
  readonly body: Buffer | null | 'stream';
  readonly headers: readonly string[];
}

/** Small bodies are read whole, which is quicker and can be sent again; larger ones go through as they come. */
async function bodyFor(exchange: Exchange, isEndpoint: boolean, limit: number): Promise<Forwarded['body']> {
  const { req, content } = exchange;
  if (content !== undefined) return content;
  if (!hasBody(req)) return null;
  const length = announcedLength(req);
  const small = length !== undefined && length <= smallAnswer;
  return isEndpoint || small ? exchange.body(limit) : 'stream';
}

async function forward(forwarded: Forwarded, path: string, redirects: number): Promise<Answer> {
  const { exchange, pool, endpoint, from, limits, headers, client, passed } = forwarded;
  const slot = { release: await from.take(client) };
  try {
    const { req, res } = exchange;
    const body =
      forwarded.body === 'stream'
        ? bodyStream(req, res, Math.min(limits.body, exchange.mostBody ?? limits.body))
        : forwarded.body;
    const length = forwarded.body === 'stream' ? announcedLength(req) : undefined;
    const framed = length === undefined ? (headers as string[]) : [...headers, 'content-length', String(length)];
    const location = await new Promise<string | undefined>((resolve, reject) => {
      const method = (req.method ?? 'GET') as Dispatcher.HttpMethod;
      const mayRedirect = passed.as === 'endpoint' && redirects < mostRedirects;
      // Named here, undici keeps its connections when the Host of requests changes.
      const options = { path, method, headers: framed, body, servername: endpoint.hostname };
      pool.dispatch(options, relay(forwarded, slot, mayRedirect, resolve, reject));
    });
    if (location === undefined) return streamed;
    slot.release();
    return await forward(forwarded, location, redirects + 1);
  } finally {
    slot.release();
  }
}

/** Undici wants a URL for a unix socket, too; its host is what the service sees where the client's is not passed. */
function addressOf(url: string): { readonly url: URL; readonly socketPath?: string } {
  if (!url.startsWith('unix:')) return { url: new URL(url) };
  return { url: new URL('http://localhost'), socketPath: url.slice('unix:'.length) };
}
