/** Secrets we give out: 256 random bits each, kept as SHA-256 only. */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** 43 characters of base64url. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** 22 characters of base64url that name something. Never begins with "-", which a command line would take for an option. */
export function newId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? newId() : id;
}

/** What is stored in place of a secret. Enough without salt or work factor, since nobody can guess 256 bits. */
export function hashed(secret: string): string {
  return createHash('sha256').update(secret, 'utf8').digest('base64url');
}

/** Whether the hash is that secret's. Takes as long for a wrong one as for the right one. */
export function hashMatches(secret: string, hash: string): boolean {
  const computed = Buffer.from(hashed(secret), 'ascii');
  const expected = Buffer.from(hash, 'ascii');
  return computed.length === expected.length && timingSafeEqual(computed, expected);
}
