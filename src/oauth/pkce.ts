/** Proof Key for Code Exchange, RFC 7636, with S256 alone (OAuth 2.1 §4.1.1). */

import { createHash, timingSafeEqual } from 'node:crypto';

/** RFC 7636 §4.2: what SHA-256 gives in base64url is 43 characters, no more and no fewer. */
export function isCodeChallenge(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text);
}

/** RFC 7636 §4.1, §4.6: a verifier is 43 to 128 unreserved characters, and its SHA-256 is the challenge. */
export function verifies(codeVerifier: string, codeChallenge: string): boolean {
  if (!/^[A-Za-z0-9._~-]{43,128}$/.test(codeVerifier)) return false;
  const computed = Buffer.from(createHash('sha256').update(codeVerifier, 'ascii').digest('base64url'), 'ascii');
  const expected = Buffer.from(codeChallenge, 'ascii');
  return computed.length === expected.length && timingSafeEqual(computed, expected);
}
