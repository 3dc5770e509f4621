/** Access tokens: JWTs by RFC 9068 that name their grant, and are live as long as it is. */

import { hash as hashed, randomBytes } from 'node:crypto';
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { OAuthError } from './errors.ts';
import type { Grant, Grants } from './grants.ts';
import type { SigningKeys } from './keys.ts';

/** What a token says, after its signature was found good. */
export interface AccessTokenClaims {
  readonly grantId: string;
  readonly subject: string;
  readonly username: string;
  readonly clientId: string;
  readonly scope: readonly string[];
  /** Resource identifiers. */
  readonly audience: readonly string[];
  readonly tokenId: string;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

export interface AccessTokens {
  /** Signs a token for a part of what the grant allows. `lifetime` in seconds. */
  sign(
    grant: Grant,
    part: { scope: readonly string[]; resources: readonly string[] },
    lifetime: number,
  ): Promise<string>;
  /** Signature, issuer and time hold, and the grant lives. Refuses with invalid_token. Says nothing of the audience. */
  verify(token: string): Promise<AccessTokenClaims>;
  /** The same, where all of it was found less than a second ago; undefined where `verify` must be asked. */
  recent(token: string): AccessTokenClaims | undefined;
}

interface Verified {
  readonly kid: string;
  readonly claims: AccessTokenClaims;
}

/** Verified tokens remembered by their hash, so that a busy client costs one signature check per token. */
const remembered = 2 ** 17;
/** No token we sign is longer; nothing longer is parsed. In characters. */
const longest = 16 * 1024;
/** RFC 6750 §2.1. */
export const tokenForm = /^[A-Za-z0-9._~+/-]+=*$/;

export function accessTokens(options: {
  readonly issuer: string;
  readonly keys: SigningKeys;
  readonly grants: Pick<Grants, 'find' | 'recent'>;
}): AccessTokens {
  const { issuer, keys, grants } = options;
  const verified = new Map<string, Verified>();

  async function check(token: string): Promise<Verified> {
    if (!tokenForm.test(token)) throw invalid('It is not a token of this server');
    const { kid } = decodeProtectedHeader(token);
    // RFC 8725 §3.1, §3.5: the key is one of ours by its id, and decides the algorithm; `jwk`, `jku` and `x5u` are never read.
    const key = typeof kid === 'string' ? await keys.verifier(kid) : undefined;
    if (!key) throw invalid('It was not signed by this server');
    const { payload } = await jwtVerify(token, key.key, {
      algorithms: [key.alg],
      issuer,
      // RFC 9068 §4: the type keeps ID tokens and other JWTs of one issuer from passing as access tokens.
      typ: 'at+jwt',
      requiredClaims: ['sub', 'aud', 'exp', 'iat', 'jti', 'client_id'],
    });
    return { kid: key.kid, claims: claimsOf(payload) };
  }

  function remember(hash: string, found: Verified): void {
    const oldest = verified.size >= remembered ? verified.keys().next().value : undefined;
    if (oldest !== undefined) verified.delete(oldest);
    verified.set(hash, found);
  }

  return {
    async sign(grant, { scope, resources }, lifetime) {
      const now = Math.floor(Date.now() / 1000);
      const { kid, alg, key } = await keys.signer(now + lifetime);
      // RFC 9068 §2.2: these claims; an audience of one is written as a string.
      return new SignJWT({ client_id: grant.clientId, scope: scope.join(' '), username: grant.username })
        .setProtectedHeader({ alg, kid, typ: 'at+jwt' })
        .setIssuer(issuer)
        .setSubject(grant.subject)
        .setAudience(resources.length === 1 && resources[0] !== undefined ? resources[0] : [...resources])
        .setJti(`${grant.id}.${randomBytes(12).toString('base64url')}`)
        .setIssuedAt(now)
        .setExpirationTime(now + lifetime)
        .sign(key);
    },
    async verify(token) {
      if (token.length > longest) throw invalid('It is not a token of this server');
      const hash = hashed('sha256', token, 'base64url');
      let found = verified.get(hash);
      if (found === undefined) {
        found = await check(token).catch((error: unknown) => {
          if (error instanceof errors.JWTExpired) throw invalid('It has expired', error);
          if (error instanceof errors.JOSEError || error instanceof TypeError) {
            throw invalid('It is malformed or was not signed by this server', error);
          }
          throw error;
        });
        remember(hash, found);
      }
      const { claims, kid } = found;
      // A token ends with its grant, and with its key: asked on every request, whatever was remembered of the signature.
      const end =
        claims.expiresAt <= Date.now() / 1000
          ? 'It has expired'
          : (await grants.find(claims.grantId)) === undefined
            ? 'It has been revoked'
            : (await keys.verifier(kid)) === undefined
              ? 'It was signed by a key no longer in use'
              : undefined;
      if (end === undefined) return claims;
      verified.delete(hash);
      throw invalid(end);
    },
    recent(token) {
      if (token.length > longest) return undefined;
      const found = verified.get(hashed('sha256', token, 'base64url'));
      if (found === undefined) return undefined;
      const { claims, kid } = found;
      const lives =
        claims.expiresAt > Date.now() / 1000 && grants.recent(claims.grantId) !== undefined && keys.isKnown(kid);
      return lives ? claims : undefined;
    },
  };
}

function claimsOf(payload: JWTPayload): AccessTokenClaims {
  const { sub, aud, jti, iat, exp, client_id, scope, username } = payload;
  const dot = jti?.lastIndexOf('.') ?? -1;
  if (typeof client_id !== 'string' || typeof username !== 'string' || jti === undefined || dot < 0) {
    throw invalid('It is not an access token of this server');
  }
  return {
    grantId: jti.slice(0, dot),
    subject: sub ?? '',
    username,
    clientId: client_id,
    scope: typeof scope === 'string' && scope !== '' ? scope.split(' ') : [],
    audience: Array.isArray(aud) ? aud : [aud ?? ''],
    tokenId: jti,
    issuedAt: iat ?? 0,
    expiresAt: exp ?? 0,
  };
}

function invalid(description: string, cause?: Error): OAuthError {
  return new OAuthError('invalid_token', `The access token is not valid. ${description}`, cause && { cause });
}
