/** Failures of the gateway or of a server, as the HTTP status and JSON-RPC error that a client gets. */

import { Refusal, type Reply } from '../router/handler.ts';
import { errorResponse, type Id, RpcFault, rpcCode } from './message.ts';

/**
 * A server that cannot be had. Always 429 or 5xx: a 4xx would tell a client of 2026-07-28 that the server is an old one,
 * and it would fall back, perhaps for good.
 */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
  readonly status: number;
  /** Seconds. */
  readonly retryAfter: number | undefined;
  constructor(
    status: number,
    message: string,
    { retryAfter, ...options }: ErrorOptions & { retryAfter?: number } = {},
  ) {
    super(message, options);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** A JSON-RPC error as an HTTP answer. `id` is null where the request's could not be read. */
export function rpcReply(
  status: number,
  code: number,
  text: string,
  id: Id | null = null,
  headers: Record<string, string> = {},
): Reply {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: errorResponse(id, code, text) };
}

export function rpcRefusal(
  status: number,
  text: string,
  id: Id | null = null,
  code: number = rpcCode.invalidRequest,
): Refusal {
  return new Refusal(text, rpcReply(status, code, text, id));
}

/** What was thrown while a message was handled, as a refusal; anything unknown is a bug and stays what it is. */
export function asRefusal(error: unknown, id: Id | null = null): unknown {
  if (error instanceof RpcFault) return rpcRefusal(400, error.message, error.id ?? id, error.code);
  if (!(error instanceof Unavailable)) return error;
  const headers: Record<string, string> =
    error.retryAfter === undefined ? {} : { 'retry-after': String(Math.max(1, Math.ceil(error.retryAfter))) };
  return new Refusal(error.message, rpcReply(error.status, rpcCode.internalError, error.message, id, headers), {
    cause: error,
  });
}
