/** The vocabulary every room speaks: a request in flight, an answer as a value, and what turns one into the other. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Log } from '../log.ts';

/** One request in flight. Never mutated: a stage passes a copy forward. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Scheme, host and client address are settled behind trusted proxies before any stage sees them. */
  readonly scheme: 'http' | 'https';
  /** Lower case, without port or trailing dot. Empty where HTTP/1.0 sent none. */
  readonly host: string;
  /** Normalised: no dot segments, no doubled slashes, unreserved escapes decoded. The same string is routed, guarded and forwarded. */
  readonly path: string;
  /** With its question mark, or empty. */
  readonly query: string;
  readonly clientAddress: string;
  readonly log: Log;
  readonly notes: Notes;
  readonly trace: Trace;
  /** The whole request body, read once. Refuses with 413 beyond `limit` bytes, before reading where Content-Length tells. */
  body(limit: number): Promise<Buffer>;
  /** Of the request to the service: what stages put in place of the client's own, by lower-case name. Empty removes one. */
  readonly replaced?: Readonly<Record<string, string>>;
  /** The whole body, where a stage before the service has read it already. */
  readonly content?: Buffer;
  /** Bytes of body that a stage before the service allows; the service's own limit holds as well. */
  readonly mostBody?: number;
  /** A WebSocket upgrade travels the same pipeline and meets the same guard. */
  readonly upgrade?: { readonly socket: Duplex; readonly head: Buffer };
  /** Whom the access token speaks for. Set by the guard and by nothing else. */
  readonly caller?: Caller;
}

/** Where a request belongs, for whoever follows it through several programs: W3C Trace Context. */
export interface Trace {
  /** Of this request: in the log, in the answer's X-Request-Id, and in the body of an error of ours. */
  readonly requestId: string;
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** Of this request's passage through the gateway: the parent of what is done behind it. 16 hexadecimal digits. */
  readonly spanId: string;
  /** Of the client, where it told. */
  readonly parentId?: string;
  readonly sampled: boolean;
  /** The tracestate as it came. */
  readonly state?: string;
}

/** How whoever is behind the gateway is told of the trace. W3C Trace Context §3.2. */
export function traceParent({ traceId, spanId, sampled }: Trace): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

/** With what came with it. W3C Trace Context §3.3. */
export function traceHeaders(trace: Trace): Record<string, string> {
  const traceparent = traceParent(trace);
  return trace.state === undefined ? { traceparent } : { traceparent, tracestate: trace.state };
}

/** What stages tell of a request to those who watch: the access log, metrics, the timeline. No stage reads them. */
export interface Notes {
  /** The address of the client, behind trusted proxies. */
  client?: string;
  route?: string;
  upstream?: string;
  /** What ended the exchange before its answer was whole. */
  aborted?: 'upstream';
  /** Whom the access token speaks for. */
  username?: string;
  /** The OAuth client, once it is known to be one of ours. */
  clientId?: string;
  /** The step of a client's way to its first call that the request is about. */
  step?: Step;
  /** Of the first request in a body that is MCP, and the tool or prompt it names. */
  mcpMethod?: string;
  tool?: string;
  /** Why the request was refused. */
  reason?: string;
}

/** The way of an OAuth client (MCP, authorization): from a 401 to a call with its token. */
export const steps = ['challenge', 'discovery', 'registration', 'authorization', 'consent', 'token', 'call'] as const;
export type Step = (typeof steps)[number];

export interface Caller {
  /** `provider:subject`, the token's `sub`: what a decision may rest on. */
  readonly subject: string;
  /** For people to read, never for a decision. */
  readonly username: string;
  readonly clientId: string;
  readonly scope: ReadonlySet<string>;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
}

/** How a service is told who is calling. RFC 9110 §5.5: a header holds visible ASCII; anything else is percent-encoded as UTF-8. */
export function callerHeaders({ subject, username, clientId }: Caller): Record<string, string> {
  return { 'x-user-id': visible(subject), 'x-user-name': visible(username), 'x-client-id': visible(clientId) };
}

function visible(text: string): string {
  return text.replace(/[^\x21-\x24\x26-\x7e]+/g, (part) => encodeURIComponent(part.toWellFormed()));
}

/** An answer as a value; the entrypoint writes it. An object body is sent as JSON. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer | object;
}

/** Returned by a service that wrote to `res` itself. Explicit, so that a forgotten return fails to compile. */
export const streamed: unique symbol = Symbol('streamed');

export type Answer = Reply | typeof streamed;
export type Handler = (exchange: Exchange) => Answer | Promise<Answer>;
export type Middleware = (next: Handler) => Handler;

export interface Route {
  readonly name: string;
  /** Traefik v3 syntax: Host(`mcp.example.com`) && PathPrefix(`/files`) */
  readonly rule: string;
  /** Highest wins; 0 or absent means the rule's length. */
  readonly priority?: number;
  /** Whether a guard stands before the service; told to the operator, not acted on. */
  readonly guarded: boolean;
  /** What answers, in the operator's words. */
  readonly target: string;
  /** Outermost first. */
  readonly middlewares?: readonly Middleware[];
  readonly service: Handler;
}

/** An error that knows its answer. Anything else thrown is a bug: 500 with a reference id. The message and cause are only logged. */
export class Refusal extends Error {
  readonly reply: Reply;
  constructor(message: string, reply: Reply, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Refusal';
    this.reply = reply;
  }
}

/** A refusal in the shape all our JSON errors have, `{error, error_description}`. */
export function refusal(
  status: number,
  error: string,
  description: string,
  options: ErrorOptions & { headers?: Record<string, string> } = {},
): Refusal {
  const { headers, ...rest } = options;
  const reply = { status, body: { error, error_description: description }, ...(headers && { headers }) };
  return new Refusal(`${error}: ${description}`, reply, rest);
}
