/** One request on an HTTP/2 connection, and its answer, told to a handler of undici's kind. RFC 9113 §8.1. */

import { type ClientHttp2Session, type ClientHttp2Stream, constants } from 'node:http2';
import { pipeline, type Readable } from 'node:stream';
import { type Dispatcher, errors } from 'undici';
import { refusal } from './handler.ts';

export interface Http2Request {
  readonly method: string;
  readonly path: string;
  /** A flat list, without those of the connection. */
  readonly headers: readonly string[];
  readonly body: Buffer | Readable | null;
}

export interface Http2Watch {
  readonly origin: URL;
  /** Until the answer begins, in milliseconds; 0 waits for ever. */
  readonly patience: number;
  late(): void;
  /** Whether another attempt is made; `fail` is for where that one fails too. */
  refused(fail: (error: Error) => void): boolean;
}

/** Undefined where the handler has been told that nothing was sent. */
export function sendHttp2(
  session: ClientHttp2Session,
  { method, path, headers, body }: Http2Request,
  handler: Dispatcher.DispatchHandler,
  watch: Http2Watch,
): ClientHttp2Stream | undefined {
  let stream: ClientHttp2Stream | undefined;
  let over = false;
  const fail = (error: Error) => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    if (body !== null && !Buffer.isBuffer(body)) body.destroy();
    stream?.close(constants.NGHTTP2_CANCEL);
    handler.onResponseError?.(controller, error);
  };
  const controller: Dispatcher.DispatchController = {
    aborted: false,
    paused: false,
    reason: null,
    rawHeaders: [],
    rawTrailers: [],
    abort: fail,
    pause: () => stream?.pause(),
    resume: () => stream?.resume(),
  };
  const told = (tell: () => void) => {
    if (over) return;
    try {
      tell();
    } catch (error) {
      fail(error as Error);
    }
  };
  let timer: NodeJS.Timeout | undefined;
  handler.onRequestStart?.(controller, null);
  if (over) return undefined;
  try {
    stream = session.request(fields(watch.origin, method, path, headers), { endStream: body === null });
  } catch (cause) {
    // RFC 9110 §5.3: what may stand once stands twice. HTTP/1.1 would let the server choose.
    const { code } = cause as NodeJS.ErrnoException;
    const twice = code === 'ERR_HTTP2_HEADER_SINGLE_VALUE';
    fail(twice ? refusal(400, 'invalid_request', 'a header that may stand once stands twice') : (cause as Error));
    return undefined;
  }
  const timeOut = () => {
    watch.late();
    fail(new errors.HeadersTimeoutError());
  };
  if (watch.patience > 0) timer = setTimeout(timeOut, watch.patience);
  let began = false;
  let ended = false;
  let expected: number | undefined;
  let received = 0;
  let failure: Error | undefined;
  stream.on('headers', ({ ':status': status = 0 }, _, raw) =>
    told(() => {
      controller.rawHeaders = plain(raw);
      handler.onResponseStart?.(controller, status, {});
    }),
  );
  stream.on('response', ({ ':status': status = 0, 'content-length': length }, _, raw) => {
    clearTimeout(timer);
    began = true;
    expected = length === undefined || method === 'HEAD' || status === 304 ? undefined : Number(length);
    told(() => {
      controller.rawHeaders = plain(raw);
      handler.onResponseStart?.(controller, status, {});
    });
  });
  stream.on('data', (chunk: Buffer) => {
    received += chunk.length;
    told(() => handler.onResponseData?.(controller, chunk));
  });
  stream.on('trailers', (_, __, raw) => {
    controller.rawTrailers = plain(raw);
  });
  stream.on('end', () => {
    ended = true;
    // RFC 9113 §8.1: a whole answer may come before the end of the request, which is then not wanted any more.
    if (stream?.writableFinished === false) stream.close(constants.NGHTTP2_NO_ERROR);
  });
  stream.on('error', (error) => {
    failure = error;
  });
  stream.once('close', () => {
    clearTimeout(timer);
    if (over) return;
    // RFC 9113 §8.1: whoever resets a stream in the middle, by whatever code, has not sent a whole answer.
    const whole = began && ended && stream?.rstCode === constants.NGHTTP2_NO_ERROR;
    if (whole && (expected === undefined || expected === received)) {
      over = true;
      if (body !== null && !Buffer.isBuffer(body)) body.destroy();
      handler.onResponseEnd?.(controller, {});
    } else if (began || stream?.rstCode !== constants.NGHTTP2_REFUSED_STREAM || !watch.refused(fail)) {
      fail(failure ?? new errors.SocketError('the stream was reset'));
    }
  });
  if (Buffer.isBuffer(body)) stream.end(body);
  else if (body !== null) pipeline(body, stream, (error) => error && fail(error));
  return stream;
}

/** RFC 9113 §8.3.1: what HTTP/1.1 has in its first line and in Host comes first. */
function fields(origin: URL, method: string, path: string, headers: readonly string[]): string[] {
  const rest: string[] = [];
  let authority = origin.host;
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const [name = '', value = ''] = [headers[at], headers[at + 1]];
    if (name === 'host') authority = value;
    else rest.push(name, value);
  }
  const scheme = origin.protocol === 'https:' ? 'https' : 'http';
  return [':method', method, ':scheme', scheme, ':path', path, ':authority', authority, ...rest];
}

/** Without pseudo headers. */
function plain(raw: readonly string[]): string[] {
  return raw.filter((_, at) => !(raw[at - (at % 2)] ?? '').startsWith(':'));
}
