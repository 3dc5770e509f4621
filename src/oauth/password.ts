/** Password hashes: scrypt (RFC 7914) in PHC strings, `$scrypt$ln=17,r=8,p=1$<salt>$<hash>`. */

import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { refusal } from '../router/handler.ts';

/** Cost of one hash: 2^ln rounds over 128·r bytes each, p times. Memory is 128·r·2^ln bytes: 128 MB by default. */
export interface Cost {
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

interface PasswordHash extends Cost {
  readonly salt: Buffer;
  readonly hash: Buffer;
}

export const defaultCost: Cost = { ln: 17, r: 8, p: 1 };

/** As long as any passphrase; longer ones are refused, not cut. */
export const longestPassword = 1024;

/** At most this many hashes are computed at a time, so that logins take 256 MB at most; the next ones wait in line. */
const concurrency = 2;
const longestLine = 32;

/** A new hash for a password, with a fresh salt. */
export async function hashPassword(password: string, cost: Cost = defaultCost): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(password, { ...cost, salt, hash: Buffer.alloc(32) });
  return `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}$${base64(salt)}$${base64(hash)}`;
}

/** Whether `password` is the one behind `phc`. Takes the same time for a wrong one; refuses with 503 when too many wait. */
export async function verifyPassword(password: string, phc: string): Promise<boolean> {
  const expected = parsePasswordHash(phc);
  if (expected === undefined) return false;
  return timingSafeEqual(await derive(password, expected), expected.hash);
}

/** A hash that no password has, as dear to verify as the dearest of `hashes`: what unknown users are compared with. */
export function decoyHash(hashes: readonly string[]): string {
  const costs = hashes.map(parsePasswordHash).filter((hash) => hash !== undefined);
  const { ln, r, p } = costs.reduce<Cost>((a, b) => (memory(b) > memory(a) ? b : a), costs[0] ?? defaultCost);
  return `$scrypt$ln=${ln},r=${r},p=${p}$${base64(randomBytes(16))}$${base64(randomBytes(32))}`;
}

/** Undefined where `phc` is not an scrypt hash, or asks for more than 1 GB. */
export function parsePasswordHash(phc: string): PasswordHash | undefined {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/.exec(
    phc,
  );
  if (match === null) return undefined;
  const [ln, r, p] = match.slice(1, 4).map(Number) as [number, number, number];
  const [salt, hash] = match.slice(4).map((text) => Buffer.from(text, 'base64')) as [Buffer, Buffer];
  const parsed = { ln, r, p, salt, hash };
  return ln >= 1 && r >= 1 && p >= 1 && memory(parsed) <= 2 ** 30 ? parsed : undefined;
}

const memory = (cost: Cost): number => 128 * cost.r * 2 ** cost.ln;

/** PHC strings use base64 without padding. */
const base64 = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '');

let running = 0;
const line: (() => void)[] = [];

async function derive(password: string, { ln, r, p, salt, hash }: PasswordHash): Promise<Buffer> {
  if (running >= concurrency) {
    if (line.length >= longestLine) {
      throw refusal(503, 'temporarily_unavailable', 'Too many people are logging in; try again in a moment', {
        headers: { 'retry-after': '5' },
      });
    }
    await new Promise<void>((turn) => line.push(turn));
  } else {
    running += 1;
  }
  try {
    const options = { N: 2 ** ln, r, p, maxmem: memory({ ln, r, p }) + 128 * r * p + 2 ** 20 };
    // NIST SP 800-63B §3.1.1.2: one normal form, so that a password typed on another keyboard is the same password.
    return await scryptAsync(password.normalize('NFKC'), salt, hash.length, options);
  } finally {
    const next = line.shift();
    if (next === undefined) running -= 1;
    else next();
  }
}

function scryptAsync(password: string, salt: Buffer, length: number, options: ScryptOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, length, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}
