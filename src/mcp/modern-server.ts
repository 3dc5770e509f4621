/** A server as the modern era sees it: requests that stand by themselves. Children, upstreams and translations all are one. */

import { find } from './json-text.ts';
import { type Notification, type Request, type Response, rpcCode } from './message.ts';
import { type Discovered, metaKey } from './modern-revision.ts';

export interface ModernServer {
  readonly discovered: Discovered;
  /**
   * Hands over one request. Everything about it comes to the sink, under the id and token the sender chose; `respond` is
   * last and may be called before `call` returns.
   */
  call(request: Request, sink: Sink, about: About): Call;
  notify(notification: Notification): void;
  /** Nothing is under way, so nobody would miss it. */
  idle(): boolean;
  /** It has ended; there may be another one. */
  over(): boolean;
  /** Bytes it has not read yet. */
  backlog(): number;
  /** A call was not answered in time: it has to show that it is alive, or is ended. */
  suspect(): void;
  /** Fails what is under way with this reason, ends subscriptions with a result, and lets go of the server. */
  close(reason: string): Promise<void>;
}

export interface Sink {
  notify(notification: Notification): void;
  /** `status` where no JSON-RPC error code says it: 502 for a server that was lost. */
  respond(response: Response, status?: number): void;
}

export interface About {
  /** Whose request it is: only the same caller may resume it, or hear what cannot be told whose it is. */
  readonly owner: string;
}

export interface Call {
  /** The client is gone: the server is told, and nothing more comes to the sink (TR-14). */
  cancel(reason: string): void;
}

/** The id as it was written: 1.0 and integers beyond 2^53 go back byte for byte. */
export function rawId({ bytes, id }: Request): string {
  const span = find(bytes, ['id']);
  return span ? bytes.toString('utf8', span.start, span.end) : JSON.stringify(id);
}

/** The gateway's own word on a request. */
export function success(request: Request, result: Readonly<Record<string, unknown>>): Response {
  const bytes = Buffer.from(`{"jsonrpc":"2.0","id":${rawId(request)},"result":${JSON.stringify(result)}}`);
  return { kind: 'response', id: request.id, result, bytes };
}

export function failure(
  request: Request,
  message: string,
  code: number = rpcCode.internalError,
  data?: unknown,
): Response {
  const error = { code, message, ...(data !== undefined && { data }) };
  const bytes = Buffer.from(`{"jsonrpc":"2.0","id":${rawId(request)},"error":${JSON.stringify(error)}}`);
  return { kind: 'response', id: request.id, error, bytes };
}

/** 2026-07-28 subscriptions (TR-34, TR-35): the result that closes one says which. */
export function subscriptionOver(request: Request): Response {
  const id = rawId(request);
  const bytes = Buffer.from(
    `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","_meta":{"${metaKey.subscriptionId}":${id}}}}`,
  );
  const result = { resultType: 'complete', _meta: { [metaKey.subscriptionId]: request.id } };
  return { kind: 'response', id: request.id, result, bytes };
}

export const isListen = ({ method }: Request): boolean => method === 'subscriptions/listen';
