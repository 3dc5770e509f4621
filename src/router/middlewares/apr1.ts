/** Apache's MD5 of a password, the default of `htpasswd`: a thousand rounds over password and salt. */

import { createHash } from 'node:crypto';

const rounds = 1000;
const alphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Which three bytes of the digest make four characters; the sixteenth byte ends it. */
const triples = [
  [0, 6, 12],
  [1, 7, 13],
  [2, 8, 14],
  [3, 9, 15],
  [4, 10, 5],
] as const;

/** `$apr1$salt$hash`. */
export function apr1(password: string, salt: string): string {
  const key = Buffer.from(password);
  const start: Buffer[] = [key, Buffer.from('$apr1$'), Buffer.from(salt)];
  const inner = md5(key, Buffer.from(salt), key);
  for (let left = key.length; left > 0; left -= 16) start.push(inner.subarray(0, Math.min(16, left)));
  for (let bits = key.length; bits > 0; bits >>= 1) start.push(bits & 1 ? Buffer.from([0]) : key.subarray(0, 1));
  let digest: Buffer = md5(...start);
  for (let round = 0; round < rounds; round += 1) {
    const odd = round % 2 === 1;
    digest = md5(
      odd ? key : digest,
      ...(round % 3 === 0 ? [] : [Buffer.from(salt)]),
      ...(round % 7 === 0 ? [] : [key]),
      odd ? digest : key,
    );
  }
  const at = (index: number) => digest[index] ?? 0;
  const groups = triples.map(([a, b, c]) => encoded((at(a) << 16) | (at(b) << 8) | at(c), 4));
  return `$apr1$${salt}$${groups.join('')}${encoded(at(11), 2)}`;
}

function md5(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function encoded(value: number, characters: number): string {
  return Array.from({ length: characters }, (_, index) => alphabet[(value >> (6 * index)) & 63]).join('');
}
