/** The answer of an upstream on its way to the client: as it comes, with back-pressure, and broken off where it breaks off. */

import { type Dispatcher, errors } from 'undici';
import type { Log } from '../log.ts';
import type { Limits } from './config.ts';
import { type Exchange, Refusal } from './handler.ts';
import { setHead } from './response-head.ts';
import { busy, type Client, type Slots } from './slots.ts';
import { abandon, closeGently, linger } from './socket-close.ts';
import { answerFor } from './upstream-failure.ts';
import {
  headerIn,
  type Passed,
  responseHeaders,
  responseTrailers,
  takesTrailers,
  trailerNames,
} from './upstream-headers.ts';

/** One request on its way to an upstream. */
export interface Call extends Client {
  readonly exchange: Exchange;
  readonly headers: readonly string[];
  /** A stream is opened when it is the request's turn, since opening it asks the client for it. */
  body: Buffer | null | 'stream';
  gone: boolean;
  /** Gives its place at the upstream back; more than once is no harm. */
  release: () => void;
}

/** What is the same for all requests to one upstream. */
export interface Behind {
  readonly endpoint: URL;
  readonly passed: Passed;
  /** Places of what stays: event streams of a site. */
  readonly streams: Slots;
  /** What a stop ends without waiting. */
  readonly listening: Set<() => void>;
  readonly log: Log;
  readonly limits: Limits;
}

/** Set before the upstream was asked, and good for any answer. */
const ownHeader = /^(?:access-control-.*|x-request-id)$/;

/** An answer this small is sent in one write. In bytes. */
export const smallAnswer = 64 * 1024;

/** Ends in `done`: undefined when the answer is through, or the path to go to instead. */
export function relay(
  call: Call,
  { endpoint, passed, streams, listening, log, limits }: Behind,
  mayRedirect: boolean,
  done: (location: string | undefined) => void,
  failed: (error: unknown) => void,
): Dispatcher.DispatchHandler {
  const { exchange } = call;
  const { res, req } = exchange;
  let elsewhere: string | undefined;
  let small: { readonly status: number; readonly headers: string[]; body: Buffer | undefined } | undefined;
  let trailing = false;
  let idle: NodeJS.Timeout | undefined;
  const settle = () => {
    clearTimeout(idle);
    call.whenGone = undefined;
  };
  return {
    onRequestStart(controller) {
      const abort = () => controller.abort(new Error('the client has gone'));
      if (call.gone) return abort();
      call.whenGone = abort;
    },
    onResponseStart(controller, status) {
      const raw = (controller.rawHeaders ?? []) as Buffer[];
      const headers = responseHeaders(raw, passed.as);
      if (status === 103) earlyHints(exchange, headers);
      if (status < 200) return;
      // RFC 9110 §15.4.8, §15.4.9: method and body stay. Only within the server, whose address is none of the client's business.
      if (mayRedirect && (status === 307 || status === 308)) {
        const location = headerIn(headers, 'location') ?? '';
        const target = URL.canParse(location, endpoint.href) ? new URL(location, endpoint) : undefined;
        elsewhere = target?.origin === endpoint.origin ? `${target.pathname}${target.search}` : undefined;
        if (elsewhere !== undefined) return;
      }
      const isStream = headerIn(headers, 'content-type')?.startsWith('text/event-stream') === true;
      if (isStream && passed.as === 'site') {
        // What stays must not use up what requests need.
        const room = streams.tryTake();
        if (room === undefined) return controller.abort(busy());
        call.release();
        call.release = room;
        const end = () => res.destroy();
        listening.add(end);
        res.once('close', () => listening.delete(end));
      }
      const length = Number(headerIn(headers, 'content-length') ?? Number.NaN);
      // RFC 9112 §7.1.2: trailers have a place in chunks alone.
      trailing =
        Number.isNaN(length) && takesTrailers(req) && req.method !== 'HEAD' && status !== 204 && status !== 304;
      const announced = trailing ? trailerNames(raw) : '';
      if (announced !== '') headers.push('trailer', announced);
      if (length <= smallAnswer && req.method !== 'HEAD') small = { status, headers, body: undefined };
      else {
        setHead(res, status, headers);
        res.flushHeaders();
      }
      if (isStream || limits.responseIdle === 0) return;
      idle = setTimeout(() => controller.abort(new errors.BodyTimeoutError()), limits.responseIdle * 1000);
    },
    onResponseData(controller, chunk) {
      if (elsewhere !== undefined) return;
      idle?.refresh();
      if (small) {
        small.body = small.body === undefined ? chunk : Buffer.concat([small.body, chunk]);
        return;
      }
      if (res.write(chunk)) return;
      controller.pause();
      res.once('drain', () => controller.resume());
    },
    onResponseEnd(controller) {
      settle();
      if (elsewhere !== undefined) return done(elsewhere);
      if (trailing) res.addTrailers(responseTrailers((controller.rawTrailers ?? []) as Buffer[]));
      if (!req.complete && req.httpVersionMajor === 1) {
        // RFC 9112 §9.3, §9.6: the rest of the body stands before the next request; the connection ends with this answer.
        closeGently(req.socket);
        if (res.headersSent) res.once('finish', () => linger(req.socket));
        else res.shouldKeepAlive = false;
      }
      if (small) setHead(res, small.status, small.headers);
      res.end(small?.body);
      done(undefined);
    },
    onResponseError(_controller, error) {
      settle();
      if (call.gone) return failed(error);
      if (!(error instanceof Refusal)) log.warn('upstream failed', { error, path: exchange.path });
      if (!res.headersSent) {
        for (const name of res.getHeaderNames()) if (!ownHeader.test(name)) res.removeHeader(name);
        return failed(answerFor(error));
      }
      exchange.notes.aborted = 'upstream';
      abandon(res);
      done(undefined);
    },
  };
}

/** RFC 8297 §3: a client of HTTP/1.0 would take them for the answer. */
function earlyHints({ req, res }: Exchange, headers: readonly string[]): void {
  const link = headers.filter((_, at) => headers[at - 1] === 'link' && at % 2 === 1);
  if (req.httpVersion === '1.0' || link.length === 0 || res.headersSent) return;
  try {
    res.writeEarlyHints({ link });
  } catch {
    // Links that Node does not take for such; hints are a courtesy.
  }
}
