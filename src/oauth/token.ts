/** POST /token, OAuth 2.1 §3.2: a grant type in, tokens out. */

import type { Handler } from '../router/handler.ts';
import type { AccessTokens } from './access-token.ts';
import type { AuthenticateClient } from './client-auth.ts';
import type { Client, Clients } from './clients.ts';
import type { AuthConfig } from './config.ts';
import { noStore, OAuthError } from './errors.ts';
import { form, type Parameters } from './form.ts';
import type { Grant, Grants, Identity } from './grants.ts';
import type { RefreshTokens } from './refresh-token.ts';
import { canonicalResource, type Resources, scopesOf } from './resource.ts';
import { covers, parseScope } from './scope.ts';

/** RFC 6749 §5.1, by wire names. */
export interface TokenAnswer {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  /** Seconds. */
  readonly expires_in: number;
  readonly scope: string;
  readonly refresh_token?: string;
}

/** How one grant type turns an authenticated request into a live grant, for which tokens are then issued. */
export type GrantType = (client: Client, parameters: Parameters) => Promise<Grant>;

/** Whether the identity provider's allow list still lets this person in. Asked at every refresh. */
export type StillAllowed = (identity: Identity) => Promise<boolean>;

export interface TokenParts {
  readonly config: Pick<AuthConfig, 'accessTokenLifetime' | 'refreshTokenLifetime'>;
  readonly issuer: string;
  readonly resources: Resources;
  readonly clients: Clients;
  readonly grants: Grants;
  readonly accessTokens: AccessTokens;
  readonly refreshTokens: RefreshTokens;
  readonly authenticate: AuthenticateClient;
  readonly stillAllowed: StillAllowed;
  /** Beside authorization_code and refresh_token, by their `grant_type`. */
  readonly grantTypes?: Readonly<Record<string, GrantType>>;
}

/** How long a grant lives that its client does not use: as long as the last token it got. In seconds, 0 for ever. */
export function grantLifetime(config: TokenParts['config']): (client: Client) => number {
  return (client) =>
    refreshes(client)
      ? config.refreshTokenLifetime === 0
        ? 0
        : Math.max(config.refreshTokenLifetime, config.accessTokenLifetime)
      : config.accessTokenLifetime;
}

export function tokenEndpoint(parts: TokenParts): Handler {
  const { config, clients, grants, accessTokens, refreshTokens } = parts;
  const lifetimeOf = grantLifetime(config);
  const known = scopesOf(parts.resources.all);

  const grantTypes: Readonly<Record<string, GrantType>> = {
    ...parts.grantTypes,
    authorization_code: (client, parameters) =>
      grants.redeemCode(parameters.require('code'), {
        client,
        redirectUri: parameters.get('redirect_uri'),
        codeVerifier: parameters.require('code_verifier'),
      }),
  };

  /** RFC 8707 §2.2: the audience of this one access token, never more than the grant has. */
  function audience(grant: Grant, values: readonly string[]): readonly string[] {
    if (values.length === 0) return grant.resources;
    const named = values.flatMap((value) => {
      const resource = parts.resources.find(value)?.identifier;
      if (resource !== undefined && grant.resources.includes(resource)) return [resource];
      if (canonicalResource(value) === parts.issuer) return grant.resources;
      throw new OAuthError('invalid_target', 'The grant is not for the requested resource');
    });
    return [...new Set(named)];
  }

  /**
   * RFC 6749 §6: the scope of this one access token, never more than was granted. Words that open nothing here were ignored
   * in the authorization request, and are when the client repeats them: they are no attempt at more.
   */
  function narrowed(grant: Grant, parameters: Parameters): readonly string[] {
    const asked = parseScope(parameters.get('scope')).filter((word) => [...grant.scope, ...known].some(relates(word)));
    const beyond = asked.filter((word) => !grant.scope.some((granted) => covers(granted, word)));
    if (beyond.length > 0) {
      throw new OAuthError('invalid_scope', `The grant does not have the scope ${beyond.join(' ')}`);
    }
    return asked.length > 0 ? asked : grant.scope;
  }

  async function answer(grant: Grant, parameters: Parameters, refreshToken: string | undefined): Promise<TokenAnswer> {
    const scope = narrowed(grant, parameters);
    const resources = audience(grant, parameters.resources);
    const expires_in = config.accessTokenLifetime;
    const access_token = await accessTokens.sign(grant, { scope, resources }, expires_in);
    return {
      access_token,
      token_type: 'Bearer',
      expires_in,
      scope: scope.join(' '),
      ...(refreshToken !== undefined && { refresh_token: refreshToken }),
    };
  }

  async function refresh(client: Client, parameters: Parameters): Promise<Issued> {
    const token = parameters.require('refresh_token');
    const grant = await refreshTokens.grantOf(token);
    // OAuth 2.1 §4.3.1: a refresh token is bound to the client it was issued to.
    if (!grant || grant.clientId !== client.id) {
      throw new OAuthError(
        'invalid_grant',
        'The refresh token is unknown, has expired, or was issued to another client',
      );
    }
    // What cannot be answered must not use the token up.
    const asked = JSON.stringify([narrowed(grant, parameters), audience(grant, parameters.resources)]);
    if (!(await parts.stillAllowed(grant))) {
      await grants.revoke(grant.id);
      throw new OAuthError('invalid_grant', 'This person may no longer log in');
    }
    const lifetime = lifetimeOf(client);
    const used = { ...grant, usedAt: Math.floor(Date.now() / 1000) };
    if (!(await grants.extend(used, lifetime))) throw ended();
    const rotation = await refreshTokens.rotate(token, grant, lifetime, async (successor) =>
      JSON.stringify({ asked, answer: await answer(grant, parameters, successor) } satisfies Kept),
    );
    const kept = JSON.parse(rotation.answer) as Kept;
    // Shown again but asking for another part of the grant: the same successor, and an access token for that part.
    const body = kept.asked === asked ? kept.answer : await answer(grant, parameters, rotation.successor);
    return { grant, body };
  }

  async function firstTokens(type: GrantType, client: Client, parameters: Parameters): Promise<Issued> {
    const grant = await type(client, parameters);
    try {
      const token = refreshes(client) ? await refreshTokens.issue(grant, lifetimeOf(client)) : undefined;
      if (refreshes(client) && token === undefined) throw ended();
      return { grant, body: await answer(grant, parameters, token) };
    } catch (error) {
      // The code is used up and nothing was given for it: no grant stays behind that nobody can use.
      await grants.revoke(grant.id);
      throw error;
    }
  }

  return async (exchange) => {
    const parameters = await form(exchange);
    const client = await parts.authenticate(exchange, parameters);
    exchange.notes.clientId = client.id;
    const name = parameters.require('grant_type');
    const type = Object.hasOwn(grantTypes, name) ? grantTypes[name] : undefined;
    if (!type && name !== 'refresh_token') {
      throw new OAuthError('unsupported_grant_type', 'This server has no such grant type');
    }
    if (!client.metadata.grant_types.includes(name)) {
      throw new OAuthError('unauthorized_client', `This client is not registered for the grant type ${name}`);
    }
    const { grant, body } = type ? await firstTokens(type, client, parameters) : await refresh(client, parameters);
    // The client may have been deleted while we were busy, after its grants were collected for deletion.
    if (!(await clients.renew(client))) {
      for await (const { id } of grants.ofClient(client.id)) await grants.revoke(id);
      throw new OAuthError('invalid_client', 'The client has been deleted');
    }
    exchange.log.info('token issued', { clientId: client.id, grantType: name, subject: grant.subject });
    return { status: 200, headers: { ...noStore, pragma: 'no-cache' }, body };
  };
}

interface Issued {
  readonly grant: Grant;
  readonly body: TokenAnswer;
}

/** What is kept for the grace window: the answer, and what it answers. */
interface Kept {
  readonly asked: string;
  readonly answer: TokenAnswer;
}

/** Whether one of the two is a part of the other. */
function relates(word: string): (other: string) => boolean {
  return (other) => covers(other, word) || covers(word, other);
}

function refreshes(client: Client): boolean {
  return client.metadata.grant_types.includes('refresh_token');
}

function ended(): OAuthError {
  return new OAuthError('invalid_grant', 'The grant has been revoked');
}
