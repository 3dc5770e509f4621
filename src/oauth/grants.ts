/** A grant is what a person allowed a client: the root of its code and tokens, all of which live exactly as long. */

import { createHash, randomBytes } from 'node:crypto';
import { collection, type Store } from '../store/store.ts';
import type { Client } from './clients.ts';
import { OAuthError } from './errors.ts';
import { verifies } from './pkce.ts';
import { hashed, newSecret } from './secrets.ts';

/** Who logged in, as the identity provider says. */
export interface Identity {
  /** `provider:subject`; never reused by the provider. */
  readonly subject: string;
  readonly username: string;
  readonly email?: string;
  readonly groups?: readonly string[];
}

export interface Grant extends Identity {
  readonly id: string;
  readonly clientId: string;
  readonly scope: readonly string[];
  /** Resource identifiers. */
  readonly resources: readonly string[];
  /** Seconds since the epoch. */
  readonly createdAt: number;
  /** The last time the client got a token. Absent while the code waits to be redeemed: nothing has been granted yet. */
  readonly usedAt?: number;
  /** Hash of the secret that all refresh tokens of this grant share; absent where it has none. */
  readonly refreshFamily?: string;
  /** A personal token, made by the operator for a script and named for people to read. */
  readonly personal?: PersonalToken;
}

export interface PersonalToken {
  readonly name: string;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
}

/** What an authorization code stands for. */
export interface CodeRequest {
  readonly client: Client;
  /** Exactly as the authorization request had it. */
  readonly redirectUri: string;
  readonly codeChallenge: string;
  /** Resource identifiers. */
  readonly resources: readonly string[];
  readonly scope: readonly string[];
  readonly identity: Identity;
}

export interface GrantRequest {
  readonly clientId: string;
  readonly resources: readonly string[];
  readonly scope: readonly string[];
  readonly identity: Identity;
  readonly personal?: PersonalToken;
}

export interface Grants {
  /** A code for 60 seconds and one use. */
  issueCode(request: CodeRequest): Promise<string>;
  /** The grant behind a code; refuses with invalid_grant. A second redemption ends the grant (OAuth 2.1 §4.1.3). */
  redeemCode(code: string, proof: CodeProof): Promise<Grant>;
  /** A grant without a code in between: the device flow, personal tokens. `lifetime` in seconds, 0 for ever. */
  open(request: GrantRequest, lifetime: number): Promise<Grant>;
  /** Writes the grant back with a new lifetime in seconds, 0 for ever. False where it has ended: nothing brings it back. */
  extend(grant: Grant, lifetime: number): Promise<boolean>;
  /** The live grant, or undefined. */
  find(grantId: string): Promise<Grant | undefined>;
  /** A grant that `find` found less than a second ago and nobody has ended here since; undefined where `find` must be asked. */
  recent(grantId: string): Grant | undefined;
  /** The live grants of one person, in no order; those whose code was never redeemed are left out. */
  ofSubject(subject: string): AsyncIterable<Grant>;
  ofClient(clientId: string): AsyncIterable<Grant>;
  all(): AsyncIterable<Grant>;
  /** Ends the grant and with it every token. Ending it twice is no error. */
  revoke(grantId: string): Promise<void>;
}

export interface CodeProof {
  readonly client: Client;
  readonly redirectUri: string | undefined;
  readonly codeVerifier: string;
}

/** OAuth 2.1 §4.1.2: short; the time a browser needs for one redirect. In seconds. */
const codeLifetime = 60;
/** For how long a second redemption is recognised as a theft rather than as an unknown code. In seconds. */
const replayMemory = 600;

interface CodeRecord {
  readonly grantId: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly codeChallenge: string;
  readonly expiresAt: number;
}

const seconds = () => Math.floor(Date.now() / 1000);

/** Which part of a grant's id its subject and its client decide, so that either's grants are found without an index. */
const part = (text: string) => createHash('sha256').update(text).digest().subarray(0, 6).toString('base64url');

/** `lifetime` tells how long a grant lives that its client does not use, in seconds, 0 for ever. */
export function grants(store: Store, lifetime: (client: Client) => number): Grants {
  const records = collection<Grant>(store, 'grant');
  const codes = collection<CodeRecord>(store, 'code');
  const redeemed = collection<true>(store, 'code-redeemed');

  function create({ identity, ...request }: GrantRequest): Grant {
    return {
      id: `${part(identity.subject)}.${part(request.clientId)}.${randomBytes(16).toString('base64url')}`,
      ...identity,
      ...request,
      createdAt: seconds(),
    };
  }

  async function* some(prefix: string, wanted: (grant: Grant) => boolean): AsyncIterable<Grant> {
    for await (const grant of records.values(prefix)) if (grant.usedAt !== undefined && wanted(grant)) yield grant;
  }

  const self: Grants = {
    async issueCode({ client, redirectUri, codeChallenge, ...request }) {
      const code = newSecret();
      const grant = create({ ...request, clientId: client.id });
      await records.set(grant.id, grant, { ttl: 2 * codeLifetime });
      const expiresAt = seconds() + codeLifetime;
      const record = { grantId: grant.id, clientId: client.id, redirectUri, codeChallenge, expiresAt };
      await codes.set(hashed(code), record, { ttl: replayMemory });
      return code;
    },
    async redeemCode(code, { client, redirectUri, codeVerifier }) {
      const hash = hashed(code);
      const record = await codes.get(hash);
      if (!record) throw refused('The code is unknown or has expired');
      // OAuth 2.1 §4.1.3: the code belongs to one client, one redirect URI and one verifier. A thief who lacks any of
      // them cannot even use it up.
      if (record.clientId !== client.id) throw refused('The code was issued to another client');
      if (redirectUri !== undefined && redirectUri !== record.redirectUri) {
        throw refused('The redirect_uri is not that of the authorization request');
      }
      // RFC 7636 §4.6.
      if (!verifies(codeVerifier, record.codeChallenge)) throw refused('The code_verifier does not fit the challenge');
      if (!(await redeemed.set(hash, true, { only: 'absent', ttl: replayMemory }))) {
        // OAuth 2.1 §4.1.3: a second redemption is refused, and what the first one gave out ends.
        await self.revoke(record.grantId);
        throw refused('The code was used before; what it gave out has been revoked');
      }
      if (record.expiresAt <= seconds()) throw refused('The code has expired');
      const pending = await records.get(record.grantId);
      const grant = pending && { ...pending, usedAt: seconds() };
      // Only over what is still there: a replay or a revocation that came in between has the last word.
      if (!grant || !(await self.extend(grant, lifetime(client)))) throw refused('The grant has been revoked');
      return grant;
    },
    async open(request, howLong) {
      const grant = { ...create(request), usedAt: seconds() };
      await records.set(grant.id, grant, ttl(howLong));
      return grant;
    },
    extend: (grant, howLong) => records.set(grant.id, grant, { ...ttl(howLong), only: 'present' }),
    find: (grantId) => records.get(grantId),
    recent: (grantId) => records.recent(grantId),
    ofSubject: (subject) => some(`${part(subject)}.`, (grant) => grant.subject === subject),
    async *ofClient(clientId) {
      const wanted = part(clientId);
      for await (const id of records.ids()) {
        if (id.split('.')[1] !== wanted) continue;
        const grant = await records.get(id);
        if (grant?.clientId === clientId) yield grant;
      }
    },
    all: () => some('', () => true),
    async revoke(grantId) {
      await records.delete(grantId);
    },
  };
  return self;
}

/** The options of a write that lives this long, in seconds, 0 for ever. */
function ttl(lifetime: number): { ttl?: number } {
  return lifetime > 0 ? { ttl: lifetime } : {};
}

function refused(description: string): OAuthError {
  return new OAuthError('invalid_grant', description);
}
