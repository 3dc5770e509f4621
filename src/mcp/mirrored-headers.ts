/** 2026-07-28 streamable HTTP, standard and custom headers: what a header repeats of the body must be what the body says. */

import type { IncomingHttpHeaders } from 'node:http';
import { isObject, type Notification, type Params, type Request } from './message.ts';

/** A tool's argument that its schema wants repeated as `Mcp-Param-<name>`. */
export interface Mirrored {
  /** Keys from the arguments down to the value. */
  readonly path: readonly string[];
  readonly name: string;
  readonly numeric: boolean;
}

/** Which member of params `Mcp-Name` repeats. tasks/*: SEP-2663, "Routing Headers". */
const named: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};

/** One sentence on what disagrees in `Mcp-Method` and `Mcp-Name`; undefined where all agrees (TR-27, TR-28). */
export function standardFault(message: Request | Notification, headers: IncomingHttpHeaders): string | undefined {
  const method = header(headers, 'mcp-method');
  if (method === undefined) return message.kind === 'request' ? 'the header Mcp-Method is missing' : undefined;
  if (method !== message.method)
    return `the header Mcp-Method is ${quote(method)}, the body says ${quote(message.method)}`;
  const member = named[message.method];
  if (member === undefined || message.kind !== 'request') return undefined;
  const body = message.params[member];
  const sent = header(headers, 'mcp-name');
  if (typeof body !== 'string') return undefined;
  if (sent === undefined) return 'the header Mcp-Name is missing';
  const decoded = decode(sent);
  if (decoded === undefined) return 'the header Mcp-Name holds what no header may, or no valid Base64';
  return decoded === body ? undefined : `the header Mcp-Name is ${quote(decoded)}, the body says ${quote(body)}`;
}

/** The same for the arguments of one tool (TR-29). A header without a value in the body is ignored. */
export function mirroredFault(
  mirrored: readonly Mirrored[],
  params: Params,
  headers: IncomingHttpHeaders,
): string | undefined {
  for (const { path, name, numeric } of mirrored) {
    const value = valueAt(path, params.arguments);
    if (value === undefined) continue;
    const sent = header(headers, `mcp-param-${name.toLowerCase()}`);
    if (sent === undefined) return `the header Mcp-Param-${name} is missing`;
    const decoded = decode(sent);
    if (decoded === undefined) return `the header Mcp-Param-${name} holds what no header may, or no valid Base64`;
    const equal =
      numeric && typeof value === 'number' && /^-?\d+(\.\d+)?$/.test(decoded)
        ? Number(decoded) === value
        : decoded === String(value);
    if (!equal) return `the header Mcp-Param-${name} does not agree with the body`;
  }
  return undefined;
}

/** `Mcp-Method` and `Mcp-Name` of a message that the gateway sends by HTTP (TR-27, TR-28). */
export function standardHeaders({ kind, method, params }: Request | Notification): Record<string, string> {
  const member = kind === 'request' ? named[method] : undefined;
  const name = member === undefined ? undefined : params[member];
  return { 'mcp-method': method, ...(typeof name === 'string' && { 'mcp-name': encode(name) }) };
}

/** `Mcp-Param-*` of a tool's arguments (TR-29). */
export function customHeaders(mirrored: readonly Mirrored[], given: unknown): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { path, name } of mirrored) {
    const value = valueAt(path, given);
    if (value !== undefined) headers[`mcp-param-${name.toLowerCase()}`] = encode(String(value));
  }
  return headers;
}

/** What is mirrored of an argument; undefined where nothing is. */
function valueAt(path: readonly string[], given: unknown): string | boolean | number | undefined {
  const value = path.reduce<unknown>((at, key) => (isObject(at) ? at[key] : undefined), given);
  if (typeof value !== 'string' && typeof value !== 'boolean' && typeof value !== 'number') return undefined;
  // 2026-07-28: an integer that not every reader can hold exactly is not mirrored.
  return typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value) ? undefined : value;
}

/** Schemas nest, but a stack ends. */
const deepest = 100;

/** The `x-mcp-header` annotations of a tool's input schema. None where one of them is not as the revision wants it. */
export function mirroredOf(schema: unknown): readonly Mirrored[] {
  const found: Mirrored[] = [];
  const visit = (node: unknown, path: readonly string[]) => {
    if (!isObject(node) || path.length > deepest) return;
    const name = node['x-mcp-header'];
    if (typeof name === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(name) && path.length > 0) {
      found.push({ path, name, numeric: node.type === 'integer' || node.type === 'number' });
    }
    if (!isObject(node.properties)) return;
    for (const [key, child] of Object.entries(node.properties)) visit(child, [...path, key]);
  };
  visit(schema, []);
  const names = new Set(found.map(({ name }) => name.toLowerCase()));
  return names.size === found.length ? found : [];
}

/** RFC 9110 §5.5: space around a value is not part of it. */
function header(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return (Array.isArray(value) ? value.join(', ') : value)?.replace(/^[ \t]+|[ \t]+$/g, '');
}

/** `=?base64?…?=` holds UTF-8 in Base64; anything else stands for itself. Undefined where it can be neither. */
function decode(value: string): string | undefined {
  const wrapped = /^=\?base64\?(.*)\?=$/.exec(value)?.[1];
  // 2026-07-28 value encoding: visible ASCII, space and tab; all else has to be wrapped.
  if (wrapped === undefined) return /^[\x20-\x7e\t]*$/.test(value) ? value : undefined;
  const bytes = Buffer.from(wrapped, 'base64');
  if (bytes.toString('base64') !== wrapped) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** 2026-07-28 value encoding: what does not stand for itself is wrapped. */
function encode(value: string): string {
  const plain = /^(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)$/.test(value) && !/^=\?base64\?.*\?=$/.test(value);
  return plain ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`;
}

const quote = (text: string) => JSON.stringify(text.slice(0, 100));
