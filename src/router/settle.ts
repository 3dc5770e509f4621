/** Who asks for what: scheme, host, path and client address of a request, decided once, before any stage sees it. */

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { AddressSet } from './addresses.ts';
import { plainAddress } from './addresses.ts';
import { type Exchange, type Refusal, refusal } from './handler.ts';
import { headerClass } from './header-names.ts';
import { hostOf, isAuthority } from './host.ts';
import { peerAddress } from './peer.ts';
import { requestTarget } from './request-target.ts';

export type Settled = Pick<Exchange, 'scheme' | 'host' | 'path' | 'query' | 'clientAddress'>;

/** More header lines than this are an attack on whoever has to look at them. */
const mostHeaders = 100;

/**
 * Throws the refusal to answer with. Removes from `req.headers` what an untrusted peer says about where a request came
 * from, and from every peer what would name a caller: what is left there may be believed.
 */
export function settle(req: IncomingMessage, trusted: AddressSet, encrypted: boolean): Settled {
  const peer = peerAddress(req.socket);
  const believed = trusted.has(peer);
  checkHead(req, believed);
  const target = requestTarget(req.url ?? '');
  if ('fault' in target) throw bad(target.fault);
  const authority = authorityOf(req, target.authority);
  const { path, query } = target;
  const own = {
    scheme: encrypted ? 'https' : 'http',
    host: hostOf(authority),
    path,
    query,
    clientAddress: peer,
  } as const;
  return believed ? { ...own, ...forwarded(req, trusted, peer) } : own;
}

function checkHead(req: IncomingMessage, believed: boolean): void {
  const { rawHeaders, headers } = req;
  if (rawHeaders.length > 2 * mostHeaders) throw closing(431, `the request has more than ${mostHeaders} header lines`);
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    const kind = headerClass(name);
    if (kind === 'plain' || kind === 'hop') continue;
    if (kind === 'framing') {
      if (name.length === 4) hosts++;
    } else if (kind !== 'managed' || !believed) delete headers[name.toLowerCase()];
  }
  // RFC 9112 §3.2: more than one Host is answered with 400; which one counts would be anybody's guess.
  if (hosts > 1) throw bad('the request has more than one Host');
  if (req.httpVersion === '1.0' && headers['transfer-encoding'] !== undefined) {
    // RFC 9112 §6.1: HTTP/1.0 knows no Transfer-Encoding; such framing is faulty.
    throw bad('HTTP/1.0 has no Transfer-Encoding');
  }
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue') {
    throw closing(417, 'the only expectation that is met is 100-continue');
  }
}

function authorityOf(req: IncomingMessage, absolute: string | undefined): string {
  const host = req.headers.host;
  const pseudo = req.headers[':authority'];
  const named = (typeof pseudo === 'string' ? pseudo : undefined) ?? absolute;
  if (named !== undefined) {
    if (!isAuthority(named) || named === '') throw bad('the request names no valid host');
    // RFC 9112 §3.2.2: the target's own authority counts; a Host that says otherwise is refused, not chosen from.
    if (host !== undefined && host.toLowerCase() !== named.toLowerCase()) throw bad('the Host differs from the target');
    return named;
  }
  if (host === undefined) {
    if (req.httpVersion === '1.0') return '';
    throw bad('the request has no Host');
  }
  if (!isAuthority(host)) throw bad('the Host is not valid');
  return host;
}

function forwarded(req: IncomingMessage, trusted: AddressSet, peer: string): Partial<Settled> {
  const scheme = first(req.headers['x-forwarded-proto'])?.toLowerCase();
  const host = first(req.headers['x-forwarded-host']);
  return {
    clientAddress: clientBehind(req, trusted, peer),
    ...((scheme === 'https' || scheme === 'wss') && { scheme: 'https' as const }),
    ...((scheme === 'http' || scheme === 'ws') && { scheme: 'http' as const }),
    ...(host !== undefined && isAuthority(host) && { host: hostOf(host) }),
  };
}

/** The nearest address in X-Forwarded-For that is not one of our own proxies; what is further left anybody may have written. */
function clientBehind(req: IncomingMessage, trusted: AddressSet, peer: string): string {
  const hops = [req.headers['x-forwarded-for'] ?? []].flat().join(',').split(',').reverse();
  let client = peer;
  for (const hop of hops) {
    const address = addressIn(hop.trim());
    if (address === undefined) break;
    client = address;
    if (!trusted.has(address)) break;
  }
  return client;
}

/** Some proxies write a port behind the address. */
function addressIn(text: string): string | undefined {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text)?.[1] ?? text;
  return isIP(bare) === 0 ? undefined : plainAddress(bare);
}

function first(value: string | string[] | undefined): string | undefined {
  return [value ?? []].flat()[0]?.split(',')[0]?.trim();
}

function bad(description: string): Refusal {
  return closing(400, description);
}

/** After a head this odd nothing else on the connection is believed. */
function closing(status: number, description: string): Refusal {
  return refusal(status, 'invalid_request', description, { headers: { connection: 'close' } });
}
