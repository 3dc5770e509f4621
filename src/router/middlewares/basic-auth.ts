/** A name and a password in each request, RFC 7617: Traefik's `basicAuth`. */

import { createHash, scrypt, timingSafeEqual } from 'node:crypto';
import { type Middleware, refusal } from '../handler.ts';
import { apr1 } from './apr1.ts';
import { bcryptVerifier } from './bcrypt.ts';
import type { MiddlewareConfig } from './config.ts';

type Verify = (password: string) => Promise<boolean>;

/** Throws where an entry is not `name:hash`, or its hash of a kind that is not known here. */
export function basicAuth(config: NonNullable<MiddlewareConfig['basicAuth']>): Middleware {
  const users = new Map(config.users.map(userOf));
  const [decoy] = users.values();
  const realm = config.realm.replace(/["\\]/g, '\\$&');
  const challenge = { 'www-authenticate': `Basic realm="${realm}", charset="UTF-8"` };
  return (next) => async (exchange) => {
    const [, credentials = ''] = /^basic +(\S+)$/i.exec(exchange.req.headers.authorization ?? '') ?? [];
    const text = Buffer.from(credentials, 'base64').toString('utf8');
    // RFC 7617 §2: the first colon ends the name.
    const colon = text.indexOf(':');
    const verify = users.get(text.slice(0, Math.max(0, colon)));
    // A name that nobody has takes as long as one that somebody has.
    const right = await (verify ?? decoy)?.(text.slice(colon + 1));
    if (colon < 0 || verify === undefined || !right) {
      throw refusal(401, 'access_denied', 'a name and a password are needed', { headers: challenge });
    }
    const replaced: Record<string, string> = { ...exchange.replaced };
    if (config.removeHeader) replaced.authorization = '';
    if (config.headerField !== undefined) {
      replaced[config.headerField.toLowerCase()] = encodeURIComponent(text.slice(0, colon));
    }
    return next({ ...exchange, replaced });
  };
}

function userOf(entry: string): [name: string, verify: Verify] {
  const colon = entry.indexOf(':');
  if (colon < 1) throw new Error('an entry of users is not name:hash');
  const name = entry.slice(0, colon);
  const verify = verifierOf(entry.slice(colon + 1));
  if (verify === undefined) {
    throw new Error(
      `the hash of ${name} is of no known kind; make it with "htpasswd -nB ${name}" or "mcp-gateway user add"`,
    );
  }
  return [name, verify];
}

function verifierOf(hash: string): Verify | undefined {
  const sha = /^\{SHA\}([A-Za-z0-9+/]{27}=)$/.exec(hash)?.[1];
  if (sha !== undefined) {
    return async (password) => same(createHash('sha1').update(password).digest('base64'), sha);
  }
  const salt = /^\$apr1\$([./\w]{1,8})\$[./\w]{22}$/.exec(hash)?.[1];
  if (salt !== undefined) return async (password) => same(apr1(password, salt), hash);
  const bcrypt = bcryptVerifier(hash);
  if (bcrypt !== undefined) return bcrypt;
  const parts = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w+/-]+)\$([\w+/-]+)$/.exec(hash);
  if (parts === null) return undefined;
  const [ln, r, p] = parts.slice(1, 4).map(Number);
  const [phcSalt, expected] = parts.slice(4).map((part) => Buffer.from(part, 'base64'));
  if (ln === undefined || phcSalt === undefined || expected === undefined || expected.length < 16) return undefined;
  const cost = { N: 2 ** ln, r: r ?? 8, p: p ?? 1, maxmem: 256 * 1024 ** 2 };
  return (password) =>
    new Promise((resolve, reject) => {
      scrypt(password, phcSalt, expected.length, cost, (error, key) => {
        if (error) reject(error);
        else resolve(timingSafeEqual(key, expected));
      });
    });
}

function same(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
