/**
 * One browser, known by a random cookie. What a browser began, only that browser may finish: pending requests name the
 * cookie's hash, and forms and identity provider round trips carry values derived from it (RFC 9700 §4.7).
 */

import { createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { cookie } from './cookies.ts';
import { hashed, newSecret } from './secrets.ts';

export interface Browser {
  /** The hash of its cookie: what the store may keep. */
  readonly id: string;
  /** A Set-Cookie header for a browser seen for the first time, else none. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  /** A value that only this browser's cookie yields for `purpose`; 256 bits, base64url. */
  derive(purpose: string): string;
}

export type BrowserOf = (req: IncomingMessage) => Browser;

/** Reads the browser's cookie, or makes up a new browser whose cookie the reply must set. */
export function browsers(publicUrl: URL): BrowserOf {
  const browserCookie = cookie(publicUrl, 'browser');
  return (req) => {
    const known = browserCookie.read(req);
    const valid = known !== undefined && /^[\w-]{43}$/.test(known) ? known : undefined;
    const secret = valid ?? newSecret();
    return {
      id: hashed(secret),
      headers: valid === undefined ? { 'set-cookie': [browserCookie.write(secret)] } : {},
      derive: (purpose) => createHmac('sha256', secret).update(purpose).digest('base64url'),
    };
  };
}
