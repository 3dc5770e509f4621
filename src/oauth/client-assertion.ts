/** Client authentication by a signed assertion, RFC 7523 §2.2 and §3: `private_key_jwt` of OpenID Connect Core §9. */

import { createLocalJWKSet, decodeJwt, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose';
import { collection, type Store } from '../store/store.ts';
import { failed } from './client-auth.ts';
import type { Client } from './clients.ts';
import { OAuthError } from './errors.ts';
import type { Parameters } from './form.ts';
import { freshCache } from './fresh-cache.ts';
import { hashed } from './secrets.ts';
import { StrangerFailed, type StrangerFetch } from './stranger-fetch.ts';

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** RFC 8725 §3.1, §3.2: asymmetric and current; never `none`, never a shared secret. */
export const assertionAlgorithms = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'];

/** No assertion may be good for longer; replays are remembered until it ends. In seconds. */
const longest = 3600;
/** Clocks differ. In seconds. */
const tolerance = 30;
/** A key that is not in the set may have been added since: asked for again, at most this often. In seconds. */
const patience = 30;

/** Some keys come with their certificates. In bytes. */
const longestKeySet = 64 * 1024;

type KeySet = ReturnType<typeof createLocalJWKSet>;

export interface ClientAssertions {
  /** Whom an assertion claims to be from, by its own word. Undefined where the request has none. */
  claimed(parameters: Parameters): string | undefined;
  /** Whether the client signed it for us, just now and for the first time; refuses with invalid_client. */
  verify(client: Client, parameters: Parameters): Promise<void>;
}

export function clientAssertions(parts: {
  readonly issuer: string;
  readonly store: Store;
  readonly fetchJson: StrangerFetch;
}): ClientAssertions {
  const { issuer, store, fetchJson } = parts;
  const used = collection<true>(store, 'client-assertion');
  const keySets = freshCache<KeySet>(1000);

  async function keysOf({ metadata }: Client): Promise<KeySet> {
    if (metadata.jwks !== undefined) return createLocalJWKSet({ keys: [...metadata.jwks.keys] });
    const { jwks_uri } = metadata;
    if (jwks_uri === undefined) throw failed('The client has no keys');
    return keySets.get(jwks_uri, async () => {
      try {
        const { json, freshFor } = await fetchJson(new URL(jwks_uri), longestKeySet);
        // Refuses what is no key set, before it is kept.
        return { value: createLocalJWKSet(json as JSONWebKeySet), freshFor };
      } catch (cause) {
        if (!(cause instanceof StrangerFailed)) throw cause;
        const description = `The jwks_uri of the client ${cause.message}`;
        throw cause.answered
          ? failed(description, cause)
          : new OAuthError('temporarily_unavailable', description, { cause });
      }
    });
  }

  async function signed(assertion: string, client: Client): Promise<JWTPayload> {
    const { payload } = await jwtVerify(assertion, await keysOf(client), {
      algorithms: assertionAlgorithms,
      // RFC 7523 §3: issuer and subject are the client, the audience is us, and it ends.
      issuer: client.id,
      subject: client.id,
      audience: [issuer, `${issuer}/token`],
      requiredClaims: ['exp'],
      clockTolerance: tolerance,
    });
    return payload;
  }

  return {
    claimed(parameters) {
      const assertion = parameters.get('client_assertion');
      const type = parameters.get('client_assertion_type');
      if (assertion === undefined && type === undefined) return undefined;
      if (assertion === undefined || type !== assertionType) {
        throw new OAuthError('invalid_request', `client_assertion comes with client_assertion_type=${assertionType}`);
      }
      try {
        return decodeJwt(assertion).sub ?? '';
      } catch (cause) {
        throw failed('The client_assertion is no JWT', cause);
      }
    },
    async verify(client, parameters) {
      const assertion = parameters.require('client_assertion');
      try {
        const payload = await signed(assertion, client).catch((error: unknown) => {
          if (!(error instanceof errors.JWKSNoMatchingKey) || client.metadata.jwks_uri === undefined) throw error;
          keySets.expire(client.metadata.jwks_uri, patience);
          return signed(assertion, client);
        });
        const left = (payload.exp ?? 0) - Date.now() / 1000;
        if (left > longest) throw failed(`The client_assertion is good for longer than ${longest} seconds`);
        // RFC 7523 §3: once. Where it has no jti, what was signed is its name; the signature may have a second spelling.
        const name = payload.jti ?? assertion.slice(0, assertion.lastIndexOf('.'));
        const ttl = Math.ceil(Math.max(0, left) + tolerance + 1);
        if (!(await used.set(hashed(`${client.id} ${name}`), true, { only: 'absent', ttl }))) {
          throw failed('The client_assertion was used before');
        }
      } catch (error) {
        if (error instanceof errors.JOSEError || error instanceof TypeError) {
          throw failed('The client_assertion is not signed by this client for this server, or has expired', error);
        }
        throw error;
      }
    },
  };
}
