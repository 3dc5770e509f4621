/** An HTTP server behind the gateway: one request forwarded, its answer relayed as it comes. */

import { type Dispatcher, errors, Pool } from 'undici';
import type { Log } from '../log.ts';
import { noteUpstream, noteUpstreamAborted } from './access-log.ts';
import type { Limits } from './config.ts';
import { type Answer, type Exchange, type Handler, type Refusal, refusal, streamed } from './handler.ts';
import { hasBody } from './request-body.ts';
import { type Slots, slots } from './slots.ts';
import { requestHeaders, responseHeaders } from './upstream-headers.ts';

export interface Upstream extends AsyncDisposable {
  readonly service: Handler;
  /** Ends what only listens, so that a gateway which is about to stop need not wait for it. */
  quiesce(): void;
}

export interface UpstreamServer {
  /** The endpoint itself: requests go to this URL, whatever path the client used. */
  readonly url: string;
  /** Added to every request. */
  readonly headers: Readonly<Record<string, string>>;
}

/** An answer this small is sent in one write. In bytes. */
const smallAnswer = 64 * 1024;
/** A redirect within the server is followed this often: `/mcp` to `/mcp/` is one. */
const mostRedirects = 2;

export function upstream(server: UpstreamServer, { log, limits }: { log: Log; limits: Limits }): Upstream {
  const endpoint = new URL(server.url);
  const pool = new Pool(endpoint.origin, {
    pipelining: 1,
    connect: { timeout: limits.connectTimeout * 1000 },
    headersTimeout: limits.responseTimeout * 1000,
    // An event stream may be silent for as long as it likes; other answers are timed by the relay.
    bodyTimeout: 0,
    maxHeaderSize: 32 * 1024,
  });
  const calls = slots(limits.upstreamConnections, limits.upstreamQueue, limits.upstreamQueueWait);
  const streams = slots(limits.upstreamStreams, 0, 0);
  const listening = new Set<Exchange['res']>();

  return {
    async service(exchange) {
      const { req, res } = exchange;
      noteUpstream(req, endpoint.origin);
      const gone = new AbortController();
      const onClose = () => gone.abort(new Error('the client has gone'));
      res.once('close', onClose);
      if (req.method === 'GET') {
        listening.add(res);
        res.once('close', () => listening.delete(res));
      }
      const body = hasBody(req) ? await exchange.body(limits.body) : null;
      const path = `${endpoint.pathname}${endpoint.search || exchange.query}`;
      const headers = requestHeaders(exchange, server.headers);
      // A GET at an MCP endpoint is an event stream that stays: it must not use up what calls need.
      const from = req.method === 'GET' ? streams : calls;
      try {
        return await forward(
          { exchange, pool, endpoint, from, log, limits, body, headers, signal: gone.signal },
          path,
          0,
        );
      } catch (error) {
        if (gone.signal.aborted) return streamed;
        throw error;
      }
    },
    quiesce() {
      for (const res of listening) res.destroy();
    },
    async [Symbol.asyncDispose]() {
      await pool.destroy();
    },
  };
}

interface Forwarded {
  readonly exchange: Exchange;
  readonly pool: Pool;
  readonly endpoint: URL;
  readonly from: Slots;
  readonly log: Log;
  readonly limits: Limits;
  readonly body: Buffer | null;
  readonly headers: readonly string[];
  readonly signal: AbortSignal;
}

async function forward(forwarded: Forwarded, path: string, redirects: number): Promise<Answer> {
  const { exchange, pool, from, body, headers, signal } = forwarded;
  const release = await from.take(signal);
  try {
    const location = await new Promise<string | undefined>((resolve, reject) => {
      const method = (exchange.req.method ?? 'GET') as Dispatcher.HttpMethod;
      const relay = relayTo(forwarded, redirects < mostRedirects, resolve, reject);
      pool.dispatch({ path, method, headers: [...headers], body }, relay);
    });
    if (location === undefined) return streamed;
    release();
    return await forward(forwarded, location, redirects + 1);
  } finally {
    release();
  }
}

/** Ends in `done`: undefined when the answer is through, or the path to go to instead. */
function relayTo(
  { exchange, log, limits, signal, endpoint }: Forwarded,
  mayRedirect: boolean,
  done: (location: string | undefined) => void,
  failed: (error: unknown) => void,
): Dispatcher.DispatchHandler {
  const { res, req } = exchange;
  let elsewhere: string | undefined;
  let small: Buffer[] | undefined;
  let idle: NodeJS.Timeout | undefined;
  let stop = () => {};
  const settle = () => {
    clearTimeout(idle);
    stop();
  };
  return {
    onRequestStart(controller) {
      const abort = () => controller.abort(signal.reason as Error);
      if (signal.aborted) return abort();
      signal.addEventListener('abort', abort, { once: true });
      stop = () => signal.removeEventListener('abort', abort);
    },
    onResponseStart(controller, status) {
      if (status < 200) return;
      const raw = (controller.rawHeaders ?? []) as Buffer[];
      const headers = responseHeaders(raw);
      const value = (name: string) => headers.find(([each]) => each === name)?.[1];
      // RFC 9110 §15.4.8, §15.4.9: method and body stay. Only within the server, whose address is none of the client's business.
      const location = value('location');
      if (mayRedirect && (status === 307 || status === 308) && location !== undefined) {
        const target = URL.canParse(location, endpoint.href) ? new URL(location, endpoint) : undefined;
        elsewhere = target?.origin === endpoint.origin ? `${target.pathname}${target.search}` : undefined;
        if (elsewhere !== undefined) return;
      }
      for (const [name, text] of headers) if (name !== 'set-cookie') res.appendHeader(name, text);
      res.statusCode = status;
      const length = Number(value('content-length') ?? Number.NaN);
      const isStream = value('content-type')?.startsWith('text/event-stream') === true;
      if (length <= smallAnswer && req.method !== 'HEAD') small = [];
      else res.flushHeaders();
      if (isStream || limits.responseIdle === 0) return;
      idle = setTimeout(() => controller.abort(new errors.BodyTimeoutError()), limits.responseIdle * 1000);
    },
    onResponseData(controller, chunk) {
      if (elsewhere !== undefined) return;
      idle?.refresh();
      if (small) {
        small.push(chunk);
        return;
      }
      if (res.write(chunk)) return;
      controller.pause();
      res.once('drain', () => controller.resume());
    },
    onResponseEnd() {
      settle();
      if (elsewhere !== undefined) return done(elsewhere);
      res.end(small && Buffer.concat(small));
      done(undefined);
    },
    onResponseError(_controller, error) {
      settle();
      if (signal.aborted) return failed(error);
      log.warn('upstream failed', { error, path: exchange.path });
      if (!res.headersSent) {
        for (const name of res.getHeaderNames()) if (!name.startsWith('access-control-')) res.removeHeader(name);
        return failed(answerFor(error));
      }
      noteUpstreamAborted(req);
      // RFC 9112 §8: an answer that stops in the middle must not look whole.
      res.destroy();
      done(undefined);
    },
  };
}

/** RFC 9110 §15.6.3, §15.6.5: 504 where time ran out, 502 for everything else. No address of ours goes out. */
function answerFor(error: Error): Refusal {
  const { code } = error as NodeJS.ErrnoException;
  const late = code !== undefined && /TIMEOUT|ETIMEDOUT/.test(code);
  return late
    ? refusal(504, 'temporarily_unavailable', 'the server did not answer in time', { cause: error })
    : refusal(502, 'temporarily_unavailable', 'the server cannot be reached', { cause: error });
}
