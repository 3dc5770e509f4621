/** An HTTP server behind the gateway: one request forwarded, its answer relayed as it comes. */

import { isIP } from 'node:net';
import type { Log } from '../log.ts';
import type { Limits } from './config.ts';
import { type Exchange, type Handler, Refusal, streamed } from './handler.ts';
import { type Behind, type Call, relay, smallAnswer } from './relay.ts';
import { announcedLength, bodyStream, hasBody } from './request-body.ts';
import { slots } from './slots.ts';
import { probe, type UpstreamClient, type UpstreamTls, upstreamAddress, upstreamClient } from './upstream-client.ts';
import { brokeOff, idempotent } from './upstream-failure.ts';
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
  /** See `upstreamAddress`. */
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

/** A redirect within the server is followed this often: `/mcp` to `/mcp/` is one. */
const mostRedirects = 2;

export function upstream(server: UpstreamServer, { log, limits }: { log: Log; limits: Limits }): Upstream {
  const address = upstreamAddress(server.url);
  const { url: endpoint, socketPath } = address;
  const passed = { as: server.as ?? 'endpoint', hostHeader: server.passHostHeader ?? false };
  const { ca, servername = isIP(endpoint.hostname) ? undefined : endpoint.hostname } = server.tls ?? {};
  const connections = upstreamClient(address, server.tls ?? {}, limits);
  const calls = slots(limits.upstreamConnections, limits.upstreamQueue, limits.upstreamQueueWait);
  const streams = slots(limits.upstreamStreams, 0, 0);
  const listening = new Set<() => void>();

  const base = endpoint.pathname.replace(/\/$/, '');
  const added = headerMap(server.headers);
  const isEndpoint = passed.as === 'endpoint';
  const shown = socketPath ?? endpoint.origin;
  const behind = { connections, endpoint, passed, streams, listening, log, limits };

  return {
    get busy() {
      return calls.taken + streams.taken;
    },
    probe: (path, timeout) => probe(connections, `${base}${path}`, timeout),
    async service(exchange) {
      const { req, res } = exchange;
      exchange.notes.upstream = shown;
      const path = isEndpoint
        ? `${endpoint.pathname}${endpoint.search || exchange.query}`
        : `${base}${exchange.path}${exchange.query}`;
      const headers = requestHeaders(exchange, added, passed);
      const call: Call = { exchange, headers, body: null, gone: false, whenGone: undefined, release: () => {} };
      res.on('close', () => leave(call));
      if (isEndpoint && req.method === 'GET') {
        const end = () => res.destroy();
        listening.add(end);
        res.once('close', () => listening.delete(end));
      }
      if (exchange.upgrade !== undefined && !isEndpoint) {
        const secure = { ...(ca !== undefined && { ca }), ...(servername !== undefined && { servername }) };
        const to = { url: endpoint, path, headers, secure, ...(socketPath !== undefined && { socketPath }) };
        return webSocket(exchange, exchange.upgrade, { ...to, streams, listening, limits });
      }
      // A GET at an MCP endpoint is an event stream that stays: it must not use up what calls need.
      const from = isEndpoint && req.method === 'GET' ? streams : calls;
      try {
        if (exchange.content !== undefined || hasBody(req))
          call.body = await bodyFor(exchange, isEndpoint, limits.body);
        let next: string | undefined = path;
        for (let redirects = 0; next !== undefined; redirects++) {
          call.release = from.tryTake() ?? (await from.take(call));
          try {
            next = await forward(call, next, behind, isEndpoint && redirects < mostRedirects);
          } finally {
            call.release();
          }
        }
        return streamed;
      } catch (error) {
        if (call.gone) return streamed;
        throw error;
      }
    },
    quiesce() {
      for (const end of listening) end();
    },
    async [Symbol.asyncDispose]() {
      for (const end of listening) end();
      // A reload takes no call away; the next configuration is at work already.
      await calls.empty(limits.drain);
      await connections[Symbol.asyncDispose]();
    },
  };
}

function leave(call: Call): void {
  call.gone = true;
  call.whenGone?.();
}

/** Small bodies are read whole, which is quicker and can be sent again; larger ones go through as they come. */
function bodyFor({ req, content, body }: Exchange, isEndpoint: boolean, limit: number): Promise<Buffer> | Call['body'] {
  if (content !== undefined) return content;
  const length = announcedLength(req);
  const small = length !== undefined && length <= smallAnswer;
  return isEndpoint || small ? body(limit) : 'stream';
}

/** Resolves when the answer is through, with the path to go to instead where the server says so. */
function forward(
  call: Call,
  path: string,
  behind: Behind & { readonly connections: UpstreamClient },
  mayRedirect: boolean,
): Promise<string | undefined> {
  const { exchange, body: content } = call;
  const { req, res, mostBody } = exchange;
  const { limits, connections } = behind;
  const body = content === 'stream' ? bodyStream(req, res, Math.min(limits.body, mostBody ?? limits.body)) : content;
  const length = content === 'stream' ? announcedLength(req) : undefined;
  const headers = length === undefined ? call.headers : [...call.headers, 'content-length', String(length)];
  const request = { method: req.method ?? 'GET', path, headers, body };
  const attempt = (dispatch: UpstreamClient['dispatch']) =>
    new Promise<string | undefined>((resolve, reject) => {
      dispatch(request, relay(call, behind, mayRedirect, resolve, reject));
    });
  const first = attempt(connections.dispatch);
  if (content === 'stream' || !idempotent.has(request.method)) return first;
  // RFC 9112 §9.3.1: a kept connection may end at any moment; RFC 9110 §9.2.2: what may be sent twice is sent once more.
  return first.catch((error: unknown) => {
    const { anew } = connections;
    if (anew === undefined || call.gone || !(error instanceof Refusal && brokeOff(error.cause))) throw error;
    return attempt(anew);
  });
}
