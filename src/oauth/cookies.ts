/** The cookies a browser holds for us, named and scoped so that no other host can plant one (RFC 6265bis §4.1.3). */

import type { IncomingMessage } from 'node:http';

export interface Cookie {
  /** Undefined where absent, or where two different values claim the name: one of them is not ours. */
  read(req: IncomingMessage): string | undefined;
  /** A Set-Cookie value. `maxAge` in seconds; without it the cookie ends with the browser. */
  write(value: string, maxAge?: number): string;
  clear(): string;
}

/** Cookies of which one browser may hold several: a tag at the end of the name keeps them apart. */
export interface TaggedCookies {
  /** Tag and value, in the browser's order. */
  read(req: IncomingMessage): readonly (readonly [string, string])[];
  /** A Set-Cookie value; the cookie ends with the browser. */
  write(tag: string, value: string): string;
}

export function cookie(publicUrl: URL, name: string): Cookie {
  const fullName = named(publicUrl, name);
  const attributes = attributesFor(publicUrl);
  return {
    read(req) {
      const values = new Set(pairs(req).flatMap(([each, value]) => (each === fullName ? [value] : [])));
      const [value] = values;
      return values.size === 1 && value !== '' ? value : undefined;
    },
    write: (value, maxAge) =>
      `${fullName}=${value}; ${attributes}${maxAge === undefined ? '' : `; Max-Age=${Math.floor(maxAge)}`}`,
    clear: () => `${fullName}=; ${attributes}; Max-Age=0`,
  };
}

export function taggedCookies(publicUrl: URL, name: string): TaggedCookies {
  const prefix = `${named(publicUrl, name)}-`;
  const attributes = attributesFor(publicUrl);
  return {
    read: (req) =>
      pairs(req).flatMap(([each, value]) => (each.startsWith(prefix) ? [[each.slice(prefix.length), value]] : [])),
    write: (tag, value) => `${prefix}${tag}=${value}; ${attributes}`,
  };
}

/**
 * Over https the name carries `__Host-`: Secure, our host alone, the whole path. A loopback gateway speaks plain http, where
 * that prefix is impossible; cookies ignore ports, so the port is in the name and two gateways on one machine keep apart.
 */
function named(publicUrl: URL, name: string): string {
  return publicUrl.protocol === 'https:' ? `__Host-${name}` : `${name}-${publicUrl.port || '80'}`;
}

function attributesFor(publicUrl: URL): string {
  return `Path=/; HttpOnly; SameSite=Lax${publicUrl.protocol === 'https:' ? '; Secure' : ''}`;
}

function pairs(req: IncomingMessage): [string, string][] {
  return (req.headers.cookie ?? '').split(';').flatMap((pair) => {
    const equals = pair.indexOf('=');
    return equals > 0 ? [[pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()]] : [];
  });
}
