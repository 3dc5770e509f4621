/** What it means that a server of ours did not answer: to the client, and to whoever might try again. */

import { Refusal, refusal } from './handler.ts';

const codes = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EACCES',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** There was no connection to send it on, so the server cannot have seen the request. */
export function neverReached(error: unknown): boolean {
  return error instanceof Error && 'code' in error && codes.has(String(error.code));
}

/** RFC 9110 §9.2.2: methods that do no more when they come twice. */
export const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** A connection of HTTP/1.1 ended instead of an answer. */
export function brokeOff(error: unknown): boolean {
  const { code = '' } = (error ?? {}) as NodeJS.ErrnoException;
  return ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(code);
}

/** RFC 9110 §15.6.3, §15.6.5: 504 where time ran out, 502 for everything else. No address of ours goes out. */
export function answerFor(error: Error): Refusal {
  if (error instanceof Refusal) return error;
  const { code } = error as NodeJS.ErrnoException;
  const late = code !== undefined && /TIMEOUT|ETIMEDOUT/.test(code);
  return late
    ? refusal(504, 'temporarily_unavailable', 'the server did not answer in time', { cause: error })
    : refusal(502, 'temporarily_unavailable', 'the server cannot be reached', { cause: error });
}
