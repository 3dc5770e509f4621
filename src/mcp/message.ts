/** JSON-RPC 2.0 messages as MCP uses them: parsed once for routing, their bytes kept for forwarding. */

import { isUtf8 } from 'node:buffer';
import { elements, members, oneLine, type Span } from './json-text.ts';

export type Id = string | number;
export type Params = Readonly<Record<string, unknown>>;

interface Carried {
  /** The message as one line of JSON, without the line's end. */
  readonly bytes: Buffer;
}
export interface Request extends Carried {
  readonly kind: 'request';
  readonly id: Id;
  readonly method: string;
  readonly params: Params;
}
export interface Notification extends Carried {
  readonly kind: 'notification';
  readonly method: string;
  readonly params: Params;
}
export interface Response extends Carried {
  readonly kind: 'response';
  readonly id: Id;
  readonly result?: unknown;
  readonly error?: unknown;
}
export type Message = Request | Notification | Response;

/** Where the objects of a message lie that further members can be put into. */
export interface Places {
  readonly params: Span | undefined;
  readonly meta: Span | undefined;
}

export type Amend = (message: Message, places: Places) => Message;

/** JSON-RPC 2.0 §5.1. Everything the gateway itself has to say about a failure is an internal error. */
export const rpcCode = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
} as const;

/** What was sent is not a JSON-RPC message. */
export class RpcFault extends Error {
  override readonly name = 'RpcFault';
  readonly code: number;
  readonly id: Id | null;
  constructor(code: number, message: string, id: Id | null = null) {
    super(message);
    this.code = code;
    this.id = id;
  }
}

/**
 * A POST body: one message, or the array of them that only 2025-03-26 knows. Throws RpcFault.
 * Member names must be unique without regard to case, in the message, its params and their _meta: a parser that takes
 * the first of two, or that folds case, would otherwise read another message than the one that was judged here.
 * `amend` may replace a message while it is known where its parts are.
 */
export function readBody(
  body: Buffer,
  amend: Amend = (message) => message,
): { readonly messages: readonly Message[]; readonly batch: boolean } {
  if (!isUtf8(body)) throw new RpcFault(rpcCode.parseError, 'the body is not UTF-8');
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw new RpcFault(rpcCode.parseError, 'the body is not JSON');
  }
  const read = (item: unknown, bytes: Buffer) => {
    const message = messageIn(item, bytes);
    return amend(message, strictPlaces(message));
  };
  if (!Array.isArray(value)) return { messages: [read(value, oneLine(body))], batch: false };
  if (value.length === 0) throw new RpcFault(rpcCode.invalidRequest, 'an empty batch');
  const spans = elements(body);
  const messages = value.map((item, i) => {
    const span = spans[i];
    return read(item, oneLine(body.subarray(span?.start, span?.end)));
  });
  return { messages, batch: true };
}

/** One line of a child. Undefined where it is no JSON-RPC message: servers print banners and logs to stdout. */
export function readLine(line: Buffer): Message | undefined {
  try {
    return messageIn(JSON.parse(line.toString('utf8')), line);
  } catch {
    return undefined;
  }
}

/** The id of an answer too long to be read, from its ends: servers write it first or last. */
export function idOfEdges(head: string, tail: string): Id | undefined {
  if (/^[^{]*\{[^{]*"method"\s*:/.test(head)) return undefined;
  const id = '"id"\\s*:\\s*(-?\\d+|"(?:[^"\\\\]|\\\\.)*")';
  const jsonrpc = '"jsonrpc"\\s*:\\s*"2.0"';
  const first = new RegExp(
    `^\\s*\\{\\s*(?:${jsonrpc}\\s*,\\s*)?${id}\\s*,\\s*(?:${jsonrpc}\\s*,\\s*)?"(?:result|error)"`,
  ).exec(head);
  const last = new RegExp(`,\\s*${id}\\s*(?:,\\s*${jsonrpc}\\s*)?\\}\\s*$`).exec(tail);
  const text = first?.[1] ?? last?.[1];
  return text === undefined ? undefined : (JSON.parse(text) as Id);
}

/** A message of the gateway's own making. */
export function write(value: Readonly<Record<string, unknown>>): Message {
  return messageIn(value, Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...value })), false);
}

/** Every server of the sessions era answers it. */
export const ping = (id: Id): Message => write({ id, method: 'ping' });

export function errorResponse(id: Id | null, code: number, text: string, data?: unknown): Buffer {
  return Buffer.from(
    JSON.stringify({ jsonrpc: '2.0', id, error: { code, message: text, ...(data !== undefined && { data }) } }),
  );
}

/** Ids and tokens as keys: 1 and "1" are two. What can be neither is the key of nothing. */
export const keyOf = (id: unknown): string => (isId(id) ? JSON.stringify(id) : '');

/** A member that should be text. Of anything else JavaScript makes text by means that a stranger can make fail. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
export const numberOf = (value: unknown): number => (typeof value === 'number' ? value : Number.NaN);

/** Nested deeper than anybody means to: writing it again would take more stack than there is. */
export function tooDeep(value: unknown, levels = 100): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => tooDeep(inner, levels - 1));
}

export function isObject(value: unknown): value is Params {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isId(value: unknown): value is Id {
  return typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value));
}

export function progressTokenOf(params: Params): Id | undefined {
  const meta = params._meta;
  return isObject(meta) && isId(meta.progressToken) ? meta.progressToken : undefined;
}

/** Throws RpcFault where a name stands there twice. */
function strictPlaces(read: Message): Places {
  const { bytes } = read;
  const top = members(bytes);
  unique(top, read);
  const params = top.find((member) => member.key === 'params');
  if (params === undefined) return { params, meta: undefined };
  const inner = members(bytes, params.start);
  unique(inner, read);
  const meta = inner.find((member) => member.key === '_meta');
  if (meta) unique(members(bytes, meta.start), read);
  // The gateway says again what clients say of themselves.
  if (read.kind === 'request' && tooDeep(read.method === 'initialize' ? read.params : read.params._meta))
    throw invalid('what the client says about itself nests too deep', read.id);
  return { params, meta };
}

function unique(names: readonly { readonly key: string }[], read: Message): void {
  const seen = new Set<string>();
  for (const { key } of names) {
    // Upper case first: it is what joins the long s and the Kelvin sign to their plain letters, as Go's decoder does.
    const folded = key.toUpperCase().toLowerCase();
    if (seen.has(folded)) {
      throw new RpcFault(rpcCode.invalidRequest, `the member ${JSON.stringify(key)} stands there twice`, idOf(read));
    }
    seen.add(folded);
  }
}

function messageIn(value: unknown, bytes: Buffer, versioned = true): Message {
  if (!isObject(value)) throw invalid('a message is a JSON object');
  const { jsonrpc, id, method, params = {} } = value;
  const known = isId(id) ? id : null;
  if (versioned && jsonrpc !== '2.0') throw invalid('"jsonrpc" must be "2.0"', known);
  if (id !== undefined && known === null) throw invalid('"id" must be a string or a number');
  if (method === undefined) {
    if (known === null) throw invalid('neither a method nor an id');
    const { result, error } = value;
    if ((result === undefined) === (error === undefined))
      throw invalid('a response has either a result or an error', known);
    return result === undefined
      ? { kind: 'response', id: known, error, bytes }
      : { kind: 'response', id: known, result, bytes };
  }
  if (typeof method !== 'string') throw invalid('"method" must be a string', known);
  if (!isObject(params)) throw invalid('"params" must be an object', known);
  return known === null
    ? { kind: 'notification', method, params, bytes }
    : { kind: 'request', id: known, method, params, bytes };
}

function idOf(read: Message): Id | null {
  return read.kind === 'notification' ? null : read.id;
}

function invalid(text: string, id: Id | null = null): RpcFault {
  return new RpcFault(rpcCode.invalidRequest, text, id);
}
