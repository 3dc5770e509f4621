/** What of a message's head crosses the proxy. RFC 9110 §7.6.1, and nobody's word but ours on who the caller is. */

import { callerHeaders, type Exchange } from './handler.ts';
import { connectionListed, headerClass } from './header-names.ts';

/** Meant for the gateway: MCP forbids passing a client's token on, and cookies are between a browser and us. */
const ours = new Set(['authorization', 'cookie', 'origin', 'referer']);

/** The headers of the request to an upstream, as a flat list. `added` wins over what the client sent. */
export function requestHeaders(exchange: Exchange, added: Readonly<Record<string, string>>): string[] {
  const { req, caller, scheme, clientAddress } = exchange;
  const replaced = new Set(Object.keys(added).map((name) => name.toLowerCase()));
  const listed = connectionListed(req.headers.connection);
  const headers: string[] = [];
  const raw = req.rawHeaders;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase();
    if (name.startsWith(':') || headerClass(name) !== 'plain') continue;
    if (ours.has(name) || replaced.has(name) || listed?.has(name)) continue;
    headers.push(name, raw[at + 1] ?? '');
  }
  const forwarded = req.headers['x-forwarded-for'];
  headers.push('x-forwarded-for', typeof forwarded === 'string' ? `${forwarded}, ${clientAddress}` : clientAddress);
  headers.push('x-forwarded-proto', scheme);
  if (req.headers.host !== undefined) headers.push('x-forwarded-host', req.headers.host);
  if (caller !== undefined) headers.push(...Object.entries(callerHeaders(caller)).flat());
  for (const [name, value] of Object.entries(added)) headers.push(name, value);
  return headers;
}

/** The headers of the answer to the client. Framing stays, since the body goes through as it comes. */
export function responseHeaders(raw: readonly (Buffer | string)[]): [name: string, value: string][] {
  const all: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    all.push([String(raw[at]).toLowerCase(), Buffer.from(raw[at + 1] ?? '').toString('latin1')]);
  }
  const connection = all.filter(([name]) => name === 'connection').map(([, value]) => value);
  const listed = connectionListed(connection.length > 0 ? connection.join(',') : undefined);
  return all.filter(([name]) => {
    if (listed?.has(name) || name.startsWith('access-control-')) return false;
    const found = headerClass(name);
    return found === 'plain' || found === 'managed' || name === 'content-length';
  });
}
