/**
 * One browser, known by a random cookie. What a browser began, only that browser may finish: pending requests name the
 * cookie's hash, and forms and identity provider round trips carry values derived from it (RFC 9700 §4.7).
 *
 * Tabs that a program opens at once in a browser without the cookie each get one, since none has seen the other's. So each
 * has a name of its own and all of them stand for the browser: none takes from another tab what it began.
 */

import { createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { taggedCookies } from './cookies.ts';
import { hashed, newSecret } from './secrets.ts';

export interface Browser {
  /** The hash of its cookie: what the store may keep. */
  readonly id: string;
  /** A Set-Cookie header for a browser seen for the first time, else none. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  /** A value that only this browser's cookie yields for `purpose`; 256 bits, base64url. */
  derive(purpose: string): string;
}

/**
 * The browser that asks: where it has several cookies the one that `which` is true of, else its first; where it has none a
 * new one, which the reply must set.
 */
export type BrowserOf = (req: IncomingMessage, which?: (browser: Browser) => boolean) => Browser;

export function browsers(publicUrl: URL): BrowserOf {
  const cookies = taggedCookies(publicUrl, 'browser');
  return (req, which = () => true) => {
    const known = cookies
      .read(req)
      .filter(([tag, secret]) => /^[\w-]{43}$/.test(secret) && tag === tagOf(secret))
      .map(([, secret]) => browserWith(secret));
    const found = known.find(which) ?? known[0];
    if (found !== undefined) return found;
    const secret = newSecret();
    return { ...browserWith(secret), headers: { 'set-cookie': [cookies.write(tagOf(secret), secret)] } };
  };
}

const tagOf = (secret: string) => hashed(secret).slice(0, 8);

function browserWith(secret: string): Browser {
  return {
    id: hashed(secret),
    headers: {},
    derive: (purpose) => createHmac('sha256', secret).update(purpose).digest('base64url'),
  };
}
