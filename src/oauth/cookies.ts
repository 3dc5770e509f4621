/** The cookies a browser holds for us, named and scoped so that no other host can plant one (RFC 6265bis §4.1.3). */

import type { IncomingMessage } from 'node:http';

export interface Cookie {
  readonly name: string;
  /** Undefined where absent, or where two different values claim the name: one of them is not ours. */
  read(req: IncomingMessage): string | undefined;
  /** A Set-Cookie value. `maxAge` in seconds; without it the cookie ends with the browser. */
  write(value: string, maxAge?: number): string;
  clear(): string;
}

/**
 * Over https the name carries `__Host-`: Secure, our host alone, the whole path. A loopback gateway speaks plain http, where
 * that prefix is impossible; cookies ignore ports, so the port is in the name and two gateways on one machine keep apart.
 */
export function cookie(publicUrl: URL, name: string): Cookie {
  const secure = publicUrl.protocol === 'https:';
  const fullName = secure ? `__Host-${name}` : `${name}-${publicUrl.port || '80'}`;
  const attributes = `Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
  return {
    name: fullName,
    read: (req) => readCookie(req.headers.cookie ?? '', fullName),
    write: (value, maxAge) =>
      `${fullName}=${value}; ${attributes}${maxAge === undefined ? '' : `; Max-Age=${Math.floor(maxAge)}`}`,
    clear: () => `${fullName}=; ${attributes}; Max-Age=0`,
  };
}

function readCookie(header: string, name: string): string | undefined {
  const values = new Set<string>();
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === name) values.add(pair.slice(equals + 1).trim());
  }
  const [value] = values;
  return values.size === 1 && value !== '' ? value : undefined;
}
