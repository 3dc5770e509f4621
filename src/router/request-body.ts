/** The request's body: bounded, counted and never read before the guard has let the request pass. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { Refusal, refusal } from './handler.ts';

/** A body slower than this, counted from its start, is a slow-client attack. Bytes per second, after `graceSeconds`. */
const slowestRate = 240;
const graceSeconds = 30;

/** RFC 9112 §6.3: a request has a body where it has Content-Length or Transfer-Encoding; in HTTP/2 where the head did not end the stream. */
export function hasBody(req: IncomingMessage): boolean {
  const { headers } = req;
  if (headers['transfer-encoding'] !== undefined) return true;
  const length = headers['content-length'];
  if (length !== undefined) return length !== '0';
  return req.httpVersionMajor === 2 && !req.complete;
}

/** Undefined where the client does not tell. */
export function announcedLength(req: IncomingMessage): number | undefined {
  const length = req.headers['content-length'];
  return length === undefined ? undefined : Number(length);
}

/** A reader of the whole body that remembers it: the first call's limit holds for the reading, each call's for the result. */
export function bodyReader(req: IncomingMessage, res: ServerResponse): (limit: number) => Promise<Buffer> {
  let reading: Promise<Buffer> | undefined;
  return (limit) => {
    if (reading !== undefined) return reading.then((body) => within(body, limit));
    reading = collect(req, res, limit);
    return reading;
  };
}

function within(body: Buffer, limit: number): Buffer {
  if (body.length > limit) throw tooLarge(limit);
  return body;
}

function collect(req: IncomingMessage, res: ServerResponse, limit: number): Promise<Buffer> {
  if (!hasBody(req)) return Promise.resolve(Buffer.alloc(0));
  return new Promise((resolve, reject) => {
    let first: Buffer | undefined;
    let more: Buffer[] | undefined;
    const stop = arrival(req, res, limit, {
      chunk(chunk) {
        if (first === undefined) first = chunk;
        else if (more === undefined) more = [first, chunk];
        else more.push(chunk);
      },
      end: () => resolve(more === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(more)),
      fail(error) {
        stop();
        reject(error);
      },
    });
  });
}

/**
 * The body as it arrives. Fails with the refusal to answer with: 413 beyond `limit` bytes, 408 when it trickles,
 * 400 when the client ends before its end. Destroying it leaves the connection to whoever answers.
 */
export function bodyStream(req: IncomingMessage, res: ServerResponse, limit: number): Readable {
  const stop = arrival(req, res, limit, {
    chunk: (chunk) => stream.push(chunk) || req.pause(),
    end: () => stream.push(null),
    fail: (error) => stream.destroy(error),
  });
  const stream = new Readable({
    read: () => {
      req.resume();
    },
    destroy: (error, done) => {
      stop();
      done(error);
    },
  });
  req.pause();
  return stream;
}

interface Arrival {
  chunk(chunk: Buffer): void;
  end(): void;
  /** Nothing else is told after it. */
  fail(error: Refusal): void;
}

/** Tells of the body from now on, and throws where it is too large by its own word. Answers what leaves the rest unread. */
function arrival(req: IncomingMessage, res: ServerResponse, limit: number, to: Arrival): () => void {
  const announced = announcedLength(req);
  if (announced !== undefined && announced > limit) throw tooLarge(limit);
  // RFC 9110 §10.1.1: 100 says that we will read the body; nobody reads it before the guard has agreed.
  if (req.headers.expect !== undefined && req.httpVersion === '1.1') res.writeContinue();
  const start = performance.now();
  let received = 0;
  const onData = (chunk: Buffer) => {
    received += chunk.length;
    const seconds = (performance.now() - start) / 1000;
    if (received > limit) to.fail(tooLarge(limit));
    else if (seconds > graceSeconds && received / seconds < slowestRate) to.fail(tooSlow());
    else to.chunk(chunk);
  };
  const onClose = () => {
    if (!req.complete) to.fail(incomplete());
  };
  req.on('data', onData).on('end', to.end).on('close', onClose).on('error', onClose);
  return () => {
    req.off('data', onData).off('end', to.end).off('close', onClose).off('error', onClose);
    // An unread rest is discarded, so that the connection can be used again or closed in order.
    req.on('error', () => {}).resume();
  };
}

function tooLarge(limit: number): Refusal {
  return closing(refusal(413, 'invalid_request', `the request body is larger than ${limit} bytes`));
}

function tooSlow(): Refusal {
  return closing(refusal(408, 'invalid_request', 'the request body arrives too slowly'));
}

function incomplete(): Refusal {
  return closing(refusal(400, 'invalid_request', 'the request body ended before its announced end'));
}

/** The rest of the body is not waited for: the connection ends with the answer. */
function closing(error: Refusal): Refusal {
  const reply = { ...error.reply, headers: { ...error.reply.headers, connection: 'close' } };
  return new Refusal(error.message, reply);
}
