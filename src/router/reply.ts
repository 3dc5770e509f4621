/** Writes an answer: the one place where a Reply becomes bytes and an error becomes a Reply. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { StoreUnavailable } from '../store/store.ts';
import { type Exchange, Refusal, type Reply, refusal } from './handler.ts';
import { replaceHead } from './response-head.ts';

export function writeReply(req: IncomingMessage, res: ServerResponse, reply: Reply): void {
  const body = bodyOf(reply.body);
  const headers: string[] = [];
  const type = contentTypeOf(reply.body);
  if (type !== undefined && reply.headers?.['content-type'] === undefined) headers.push('content-type', type);
  for (const [name, value] of Object.entries(reply.headers ?? {})) {
    const key = name.toLowerCase();
    if (key === 'connection' && req.httpVersionMajor > 1) continue;
    // RFC 9110 §10.2.2: Location is a URI, so what is not ASCII is percent-encoded.
    if (typeof value === 'string') headers.push(key, key === 'location' ? ascii(value) : value);
    else for (const each of value) headers.push(key, each);
  }
  // RFC 9110 §8.6: no Content-Length with 1xx and 204; RFC 9110 §15.4.5: none needed with 304.
  const bodiless = reply.status === 204 || reply.status === 304;
  if (!bodiless) headers.push('content-length', String(body.length));
  replaceHead(res, reply.status, headers);
  res.end(bodiless || req.method === 'HEAD' ? undefined : body);
}

/** What anything thrown is answered with. What knows no answer is a bug: its message goes to the log only, under the request's id. */
export function replyTo(error: unknown, { log, notes, trace }: Pick<Exchange, 'log' | 'notes' | 'trace'>): Reply {
  if (error instanceof Refusal) {
    notes.reason = error.message;
    log.debug('refused', { reason: error.message, cause: error.cause });
    return error.reply;
  }
  if (error instanceof StoreUnavailable) {
    log.error('store unavailable', { error });
    const description = 'the state of the gateway cannot be reached at the moment';
    return refusal(503, 'temporarily_unavailable', description, { headers: { 'retry-after': '5' } }).reply;
  }
  notes.reason = 'server_error';
  log.error('request failed', { error });
  return { status: 500, body: { error: 'server_error', id: trace.requestId } };
}

function bodyOf(body: Reply['body']): Buffer {
  if (body === undefined) return Buffer.alloc(0);
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

function contentTypeOf(body: Reply['body']): string | undefined {
  if (body === undefined || Buffer.isBuffer(body)) return undefined;
  return typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json';
}

function ascii(text: string): string {
  return text.replace(/[^\x21-\x7e]+/g, (part) => {
    if (/[\r\n\0]/.test(part)) return part;
    return encodeURI(part.toWellFormed());
  });
}
