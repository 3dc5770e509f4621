/** Personal tokens: access tokens that an operator gives to scripts, for one person and the servers they name. */

import { refusal } from '../router/handler.ts';
import type { AccessTokens } from './access-token.ts';
import { mayUse } from './allow.ts';
import type { Grant, Grants, Identity } from './grants.ts';
import type { LoginProvider } from './identity/identity-provider.ts';
import type { LocalUsers } from './local-users.ts';
import { canonicalResource, type ProtectedResource, scopesOf } from './resource.ts';
import { covers } from './scope.ts';

export interface TokenRequest {
  /** `provider:subject`, or the name of somebody known here. */
  readonly user: string;
  /** Names or URLs of what it opens; at least one. */
  readonly servers: readonly string[];
  /** Empty means all that those servers ask for. */
  readonly scope: readonly string[];
  /** For people to tell it from others. */
  readonly name: string;
  /** Seconds. */
  readonly lifetime: number;
}

export interface TokenInfo {
  readonly id: string;
  readonly name: string;
  readonly subject: string;
  readonly username: string;
  readonly resources: readonly string[];
  readonly scope: readonly string[];
  /** Seconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
}

export interface PersonalTokens {
  /** The token itself is told here and never again. Refuses with one sentence what could never be used. */
  issue(request: TokenRequest): Promise<TokenInfo & { readonly token: string }>;
  list(): Promise<TokenInfo[]>;
  /** False where there is no such personal token. */
  revoke(id: string): Promise<boolean>;
}

/** The client that a script is: what `allow.clients` names to let personal tokens in. */
export const personalClient = 'personal-token';

export interface PersonalTokensParts {
  readonly resources: readonly ProtectedResource[];
  readonly grants: Grants;
  readonly accessTokens: AccessTokens;
  readonly users: LocalUsers;
  readonly providers: readonly LoginProvider[];
}

export function personalTokens({
  resources,
  grants,
  accessTokens,
  users,
  providers,
}: PersonalTokensParts): PersonalTokens {
  const providerNames = providers.map(({ name }) => name);

  async function knownAs(test: (identity: Identity) => boolean): Promise<Identity[]> {
    const found = new Map<string, Identity>();
    for await (const grant of grants.all())
      if (test(grant)) found.set(grant.subject, { subject: grant.subject, username: grant.username });
    return [...found.values()];
  }

  async function identityOf(user: string): Promise<Identity> {
    const provider = providerNames.find((name) => user.startsWith(`${name}:`));
    if (provider === 'password') {
      const username = user.slice('password:'.length);
      if (!(await users.has(username))) throw unknown(`there is no user ${username}; add one with "user add"`);
      return { subject: user, username };
    }
    if (provider !== undefined) {
      const [known] = await knownAs(({ subject }) => subject === user);
      return known ?? { subject: user, username: user.slice(provider.length + 1) };
    }
    if (providerNames.includes('password') && (await users.has(user)))
      return { subject: `password:${user}`, username: user };
    const known = await knownAs(({ username }) => username.toLowerCase() === user.toLowerCase());
    if (known.length > 1)
      throw unknown(
        `${user} is the name of several people; write one of ${known.map((one) => one.subject).join(', ')}`,
      );
    if (known[0] === undefined)
      throw unknown(
        `nobody called ${user} has logged in here; write PROVIDER:SUBJECT, where PROVIDER is ${providerNames.join(' or ')}`,
      );
    return known[0];
  }

  function resourceOf(server: string): ProtectedResource {
    const url = canonicalResource(server);
    const found = resources.find(({ name, identifier }) => name === server || identifier === url);
    if (found === undefined)
      throw unknown(
        `there is no server ${server}; there are ${[...new Set(resources.map(({ name }) => name))].join(', ')}`,
      );
    return found;
  }

  return {
    async issue({ user, servers, scope: asked, name, lifetime }) {
      const identity = await identityOf(user);
      const opened = [...new Set(servers.map(resourceOf))];
      const closed = opened.find(
        (resource) => !mayUse(resource, { ...identity, clientId: personalClient }, providers.length === 1),
      );
      if (closed !== undefined)
        throw refusal(403, 'access_denied', `${identity.username} may not use ${closed.name}: its allow list says so`);
      const known = scopesOf(opened);
      const useless = asked.find((word) => !known.some((one) => covers(word, one) || covers(one, word)));
      if (useless !== undefined)
        throw refusal(400, 'invalid_scope', `the scope ${useless} opens nothing there; known is ${known.join(' ')}`);
      const scope = asked.length > 0 ? asked : known;
      const expiresAt = Math.floor(Date.now() / 1000) + lifetime;
      const grant = await grants.open(
        {
          clientId: personalClient,
          identity,
          resources: opened.map(({ identifier }) => identifier),
          scope,
          personal: { name, expiresAt },
        },
        lifetime,
      );
      try {
        const token = await accessTokens.sign(grant, { scope, resources: grant.resources }, lifetime);
        return { ...infoOf(grant), token };
      } catch (error) {
        await grants.revoke(grant.id);
        throw error;
      }
    },
    async list() {
      const found: TokenInfo[] = [];
      for await (const grant of grants.all()) if (grant.personal !== undefined) found.push(infoOf(grant));
      return found.sort((a, b) => a.expiresAt - b.expiresAt);
    },
    async revoke(id) {
      if ((await grants.find(id))?.personal === undefined) return false;
      await grants.revoke(id);
      return true;
    },
  };
}

function infoOf({ id, personal, subject, username, resources, scope, createdAt }: Grant): TokenInfo {
  const { name = '', expiresAt = 0 } = personal ?? {};
  return { id, name, subject, username, resources, scope, createdAt, expiresAt };
}

const unknown = (text: string) => refusal(404, 'not_found', text);
