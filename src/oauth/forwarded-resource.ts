/** What a proxy in front asks about: the resource behind the request it holds, from the X-Forwarded headers it set. */

import type { IncomingHttpHeaders } from 'node:http';
import { OAuthError } from './errors.ts';
import type { ProtectedResource } from './resource.ts';

export interface Forwarded {
  readonly resource: ProtectedResource;
  /** Of the request the proxy holds, with its question mark, or empty. */
  readonly query: string;
}

interface Guarded {
  readonly origin: string;
  /** Without trailing slash; empty where the whole origin is the resource. */
  readonly path: string;
  readonly resource: ProtectedResource;
}

/** Refuses with 403 whatever leaves a doubt which resource is meant: the proxy then lets nobody through. */
export function forwardedResource(all: readonly ProtectedResource[]): (headers: IncomingHttpHeaders) => Forwarded {
  const guarded: Guarded[] = all.map((resource) => {
    const { origin, pathname } = new URL(resource.identifier);
    return { origin, path: pathname.replace(/\/+$/, ''), resource };
  });
  // The longest path first: what is guarded by itself is not opened by what is around it.
  guarded.sort((a, b) => b.path.length - a.path.length);
  return (headers) => {
    const { 'x-forwarded-proto': proto, 'x-forwarded-host': host, 'x-forwarded-uri': uri } = headers;
    if (typeof proto !== 'string' || typeof host !== 'string' || typeof uri !== 'string') {
      throw refused('X-Forwarded-Proto, -Host and -Uri are needed, from a proxy that trustedProxies names');
    }
    const origin = originOf(proto, host);
    const mark = uri.indexOf('?');
    const path = origin && settledPath(mark === -1 ? uri : uri.slice(0, mark));
    if (path === undefined) throw refused('X-Forwarded-Proto, -Host and -Uri do not say plainly what is asked for');
    const found = guarded.find((one) => one.origin === origin && isWithin(path, one.path));
    if (found === undefined)
      throw refused('What is asked for is none of the resources guarded here; see auth.resources');
    return { resource: found.resource, query: mark === -1 ? '' : uri.slice(mark) };
  };
}

/** Undefined where one header holds several values, or anything but a host and a port. */
function originOf(proto: string, host: string): string | undefined {
  const scheme = { https: 'https', wss: 'https', http: 'http', ws: 'http' }[proto.toLowerCase()];
  const url = `${scheme}://${host}`;
  const plain = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(host);
  return scheme !== undefined && plain && URL.canParse(url) ? new URL(url).origin : undefined;
}

/**
 * The path as every server behind the proxy reads it, or undefined where two of them could read it differently: dot and
 * empty segments, encoded separators, a percent sign encoded twice, path parameters on dots (RFC 3986 §3.3, §6.2.2).
 */
function settledPath(raw: string): string | undefined {
  if (!/^\/[\x21-\x7e]*$/.test(raw) || /[\\#]|%(?![0-9a-f]{2})|%(?:2f|5c|25|[01][0-9a-f]|7f)/i.test(raw))
    return undefined;
  // RFC 3986 §6.2.2.2: an unreserved character means the same encoded or not.
  const path = raw.replace(/%[0-9a-f]{2}/gi, (triplet) => {
    const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
    return /[\w.~-]/.test(character) ? character : triplet.toUpperCase();
  });
  return /\/(?:\.{1,2}(?=[/;]|$)|[/;])/.test(path) ? undefined : path;
}

function isWithin(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`);
}

/** 403 for whatever reason: nginx knows 401 and 403 as refusals and takes any other status for a fault of ours. */
function refused(description: string): OAuthError {
  return new OAuthError('invalid_request', description, { status: 403 });
}
