/** What of a message's head crosses the proxy. RFC 9110 §7.6.1, and nobody's word but ours on who the caller is. */

import type { IncomingMessage } from 'node:http';
import { type Caller, callerHeaders, type Exchange, traceParent } from './handler.ts';
import { connectionListed, headerClass } from './header-names.ts';

/** What of the client's own words a service behind the gateway gets to see. */
export interface Passed {
  /** `endpoint`: an MCP server, which gets no token and no cookie. `site`: a web application, which lives by them. */
  readonly as: 'endpoint' | 'site';
  /** Whether the service sees the host that the client asked for. */
  readonly hostHeader: boolean;
}

/** Meant for the gateway: MCP forbids passing a client's token on, and cookies are between a browser and us. */
const ours = new Set(['authorization', 'cookie', 'origin', 'referer']);

/** The gateway's cookies in a browser, over https and on a loopback port; oauth/cookies.ts names them. */
const ownCookie = /^\s*(?:__Host-(?:browser-[\w-]{8}|login)|browser-\d+-[\w-]{8}|login-\d+)=/;

/** Headers by lower-case name. */
export function headerMap(headers: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** Ours to say. W3C Trace Context §3.3: a tracestate whose traceparent is not valid goes no further. */
const ofTrace = new Set(['x-request-id', 'traceparent', 'tracestate']);

const nobody: readonly string[] = [];

/** A caller is the same object from request to request; how a service is told of it is written once. */
const told = new WeakMap<Caller, readonly string[]>();

function toldOf(caller: Caller): readonly string[] {
  const known = told.get(caller);
  if (known !== undefined) return known;
  const made = Object.entries(callerHeaders(caller)).flat();
  told.set(caller, made);
  return made;
}

/** The headers of the request to an upstream, as a flat list. `added` wins over what the client sent. */
export function requestHeaders(
  exchange: Exchange,
  added: ReadonlyMap<string, string>,
  passed: Passed = { as: 'endpoint', hostHeader: false },
): string[] {
  const { req, caller, scheme, clientAddress, replaced, trace } = exchange;
  const own = replaced === undefined ? added : new Map([...Object.entries(replaced), ...added]);
  const listed = connectionListed(req.headers.connection);
  const headers: string[] = [];
  const cookies: string[] = [];
  const raw = req.rawHeaders;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase();
    const value = raw[at + 1] ?? '';
    if (name.startsWith(':') || headerClass(name) !== 'plain') continue;
    if (own.has(name) || ofTrace.has(name) || listed?.has(name)) continue;
    if (!ours.has(name)) headers.push(name, value);
    else if (passed.as === 'endpoint') continue;
    else if (name === 'cookie') cookies.push(value);
    // The token that our guard took is spent here; where there is no guard, it is none of ours.
    else if (name !== 'authorization' || caller === undefined) headers.push(name, value);
  }
  // RFC 9110 §6.5.1: a server may send trailers that matter only where everybody behind says that they would be kept.
  if (takesTrailers(req)) headers.push('te', 'trailers');
  const others = cookies.length === 0 ? '' : withoutOwnCookies(cookies);
  if (others !== '') headers.push('cookie', others);
  const forwarded = req.headers['x-forwarded-for'];
  headers.push('x-forwarded-for', typeof forwarded === 'string' ? `${forwarded}, ${clientAddress}` : clientAddress);
  headers.push('x-forwarded-proto', scheme);
  const host = req.headers[':authority'] ?? req.headers.host;
  if (typeof host === 'string') headers.push('x-forwarded-host', host);
  if (passed.hostHeader && typeof host === 'string' && !own.has('host')) headers.push('host', host);
  if (!own.has('x-request-id')) headers.push('x-request-id', trace.requestId);
  if (!own.has('traceparent')) headers.push('traceparent', traceParent(trace));
  if (trace.state !== undefined && !own.has('tracestate')) headers.push('tracestate', trace.state);
  const identity = caller === undefined ? nobody : toldOf(caller);
  for (const [name, value] of own)
    if (value !== '' && headerIn(identity, name) === undefined) headers.push(name, value);
  headers.push(...identity);
  return headers;
}

/** RFC 9113 §8.2.3: HTTP/2 may split Cookie; HTTP/1.1 has it whole. Logins of the gateway are no business of a site on the same host. */
function withoutOwnCookies(values: readonly string[]): string {
  const pairs = values.flatMap((value) => value.split(/;\s*/));
  return pairs.filter((pair) => pair !== '' && !ownCookie.test(pair)).join('; ');
}

/** Names and values in turn. */
type RawHeaders = readonly (Buffer | string)[];

/** The headers of the answer to the client, as a flat list. Framing stays, since the body goes through as it comes. */
export function responseHeaders(raw: RawHeaders, as: Passed['as'] = 'endpoint'): string[] {
  const headers: string[] = [];
  let connection: string | undefined;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = textOf(raw[at]).toLowerCase();
    const value = textOf(raw[at + 1]);
    if (name === 'connection') connection = connection === undefined ? value : `${connection},${value}`;
    else if (passesBack(name, value, as)) headers.push(name, value);
  }
  const listed = connectionListed(connection);
  return listed === undefined ? headers : headers.filter((_, at) => !listed.has(headers[at - (at % 2)] ?? ''));
}

function passesBack(name: string, value: string, as: Passed['as']): boolean {
  if (as === 'endpoint' && (name === 'set-cookie' || name.startsWith('access-control-'))) return false;
  if (name === 'set-cookie' && ownCookie.test(value)) return false;
  // Our own stands there: the server's is the same, or is none of the client's business.
  if (name === 'x-request-id') return false;
  const found = headerClass(name);
  return found === 'plain' || found === 'managed' || name === 'content-length';
}

/** RFC 9110 §5.5: what is not ASCII goes through byte by byte. */
function textOf(part: Buffer | string | undefined): string {
  return typeof part === 'string' ? part : (part?.toString('latin1') ?? '');
}

/** The first of that name in a flat list. */
export function headerIn(headers: readonly string[], name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) return headers[at + 1];
  return undefined;
}

/** RFC 9110 §6.5.1: what frames, routes, authenticates or says how to read the body has no place behind it. */
const neverTrailing =
  /^(?:content-|access-control-|set-cookie|www-authenticate|cache-control|location|vary|date|age|expires|retry-after)/;

/** The trailers of the answer to the client; never merged into its headers. */
export function responseTrailers(raw: RawHeaders): Record<string, string[]> {
  const trailers: Record<string, string[]> = {};
  for (const [name, value] of pairsOf(raw)) if (mayTrail(name)) trailers[name] = [...(trailers[name] ?? []), value];
  return trailers;
}

/** RFC 9110 §6.6.2: which trailers the server says will come, of those that we relay. Empty where it says nothing. */
export function trailerNames(raw: RawHeaders): string {
  const said = pairsOf(raw).filter(([name]) => name === 'trailer');
  const names = said.flatMap(([, value]) => value.toLowerCase().split(',')).map((name) => name.trim());
  return names.filter((name) => name !== '' && mayTrail(name)).join(', ');
}

function mayTrail(name: string): boolean {
  return headerClass(name) === 'plain' && !neverTrailing.test(name);
}

/** RFC 9110 §6.5.1, RFC 9112 §7.4: in HTTP/1.1 who wants trailers says so; HTTP/2 frames them apart, so they harm nobody. */
export function takesTrailers({ httpVersion, httpVersionMajor, headers }: IncomingMessage): boolean {
  if (httpVersionMajor > 1) return true;
  return httpVersion === '1.1' && /(?:^|,)\s*trailers\s*(?:$|[,;])/i.test(String(headers.te ?? ''));
}

function pairsOf(raw: RawHeaders): [name: string, value: string][] {
  const all: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) all.push([textOf(raw[at]).toLowerCase(), textOf(raw[at + 1])]);
  return all;
}
