/** Refresh tokens: each is used once and replaced, and a used one that comes back late ends its grant. */

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { collection, type Store } from '../store/store.ts';
import { OAuthError } from './errors.ts';
import type { Grant, Grants } from './grants.ts';
import { hashed, hashMatches, newSecret } from './secrets.ts';

/** What rotation gives: the successor, and a text that is the same for everyone who shows the same token. */
export interface Rotation {
  readonly successor: string;
  readonly answer: string;
}

export interface RefreshTokens {
  /** The first token of a grant, or undefined where the grant has ended meanwhile. `lifetime` in seconds, 0 for ever. */
  issue(grant: Grant, lifetime: number): Promise<string | undefined>;
  /** The live grant of a token, used or not. Undefined for what we never gave out. */
  grantOf(token: string): Promise<Grant | undefined>;
  /** As `grantOf`, but only for a token that has not been used. */
  liveGrantOf(token: string): Promise<Grant | undefined>;
  /**
   * Replaces the token. `answer` is what the client is to be told, given the successor; it is kept for the grace window,
   * sealed so that only the old token opens it, and whoever shows that token again is told the same.
   * Refuses with invalid_grant; past the window it ends the grant, too.
   */
  rotate(
    token: string,
    grant: Grant,
    lifetime: number,
    answer: (successor: string) => Promise<string>,
  ): Promise<Rotation>;
}

interface Used {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly sealed: string;
}

/** How much longer than the window the traces of a rotation stay, for requests that were slow in between. In seconds. */
const linger = 300;

/** `grace` in seconds: for how long a used token is answered again. */
export function refreshTokens(store: Store, grants: Grants, grace: number): RefreshTokens {
  const live = collection<{ readonly grantId: string }>(store, 'refresh-token');
  const used = collection<Used>(store, 'refresh-token-used');

  async function create(grantId: string, family: string, lifetime: number): Promise<string> {
    const token = `${grantId}.${family}.${newSecret()}`;
    await live.set(hashed(token), { grantId }, lifetime > 0 ? { ttl: lifetime } : {});
    return token;
  }

  async function reused(grant: Grant): Promise<OAuthError> {
    // RFC 9700 §4.14.2: two parties hold this token and nobody can tell which is the client, so neither keeps anything.
    await grants.revoke(grant.id);
    return new OAuthError('invalid_grant', 'The refresh token was used before; its grant has been revoked');
  }

  async function again(token: string, grant: Grant, found: Used): Promise<Rotation> {
    if (Date.now() - found.at >= grace * 1000) throw await reused(grant);
    return JSON.parse(unseal(found.sealed, token)) as Rotation;
  }

  const self: RefreshTokens = {
    async issue(grant, lifetime) {
      const family = randomBytes(16).toString('base64url');
      if (!(await grants.extend({ ...grant, refreshFamily: hashed(family) }, lifetime))) return undefined;
      return create(grant.id, family, lifetime);
    },
    async grantOf(token) {
      const parsed = parse(token);
      const grant = parsed && (await grants.find(parsed.grantId));
      return grant?.refreshFamily !== undefined && hashMatches(parsed?.family ?? '', grant.refreshFamily)
        ? grant
        : undefined;
    },
    async liveGrantOf(token) {
      return (await live.get(hashed(token))) && (await self.grantOf(token));
    },
    async rotate(token, grant, lifetime, answer) {
      const hash = hashed(token);
      const before = await used.get(hash);
      if (before) return again(token, grant, before);
      if (!(await live.get(hash))) {
        // Gone, though it has the family's secret: replaced by another request just now, or long ago.
        const meanwhile = await used.get(hash);
        if (meanwhile) return again(token, grant, meanwhile);
        throw await reused(grant);
      }
      // The successor is there before the old token is used up, so that a crash at any point leaves one that works.
      const successor = await create(grant.id, parse(token)?.family ?? '', lifetime);
      const rotation: Rotation = { successor, answer: await answer(successor) };
      const mine: Used = { at: Date.now(), sealed: seal(JSON.stringify(rotation), token) };
      const untilReuseIsKnown = lifetime > 0 ? { ttl: lifetime } : {};
      if (!(await used.set(hash, mine, { ...untilReuseIsKnown, only: 'absent' }))) {
        await live.delete(hashed(successor));
        const winner = await used.get(hash);
        if (!winner) throw await reused(grant);
        return again(token, grant, winner);
      }
      // From here on the family's secret is enough to tell reuse; nothing per used token is kept.
      await live.delete(hash);
      await used.set(hash, mine, { ttl: grace + linger, only: 'present' });
      return rotation;
    },
  };
  return self;
}

/** `<grant id>.<family secret>.<secret>`; a grant id has dots of its own. */
function parse(token: string): { grantId: string; family: string } | undefined {
  const parts = /^([\w-]{8}\.[\w-]{8}\.[\w-]{22})\.([\w-]{22})\.[\w-]{43}$/.exec(token);
  return parts ? { grantId: parts[1] ?? '', family: parts[2] ?? '' } : undefined;
}

/** AES-256-GCM under a key that only the holder of the token can derive: nonce, text, tag. */
function seal(text: string, token: string): string {
  const nonce = randomBytes(nonceLength);
  const cipher = createCipheriv('aes-256-gcm', sealingKey(token), nonce);
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url');
}

function unseal(sealed: string, token: string): string {
  const bytes = Buffer.from(sealed, 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', sealingKey(token), bytes.subarray(0, nonceLength));
  decipher.setAuthTag(bytes.subarray(-tagLength));
  return decipher.update(bytes.subarray(nonceLength, -tagLength), undefined, 'utf8') + decipher.final('utf8');
}

const nonceLength = 12;
const tagLength = 16;

function sealingKey(token: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', token, '', 'mcp-gateway refresh answer', 32));
}
