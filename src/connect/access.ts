/** The token that the server is to see: kept from last time, refreshed, or new from a person who logs in. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Challenge } from './challenge.ts';
import { discover } from './discovery.ts';
import type { Kept, KeptToken } from './kept.ts';
import { type Granted, logIn, refresh, revoke } from './login.ts';
import type { LoginOptions } from './login-request.ts';

export interface Access {
  /** Of the token that is kept, if there is one. */
  current(): Promise<string | undefined>;
  /** After the server has refused `token`. Rejects with one sentence where nobody logs in. */
  renewed(challenge: Challenge, token: string | undefined): Promise<string>;
  /** Takes the token back at the server and forgets it. False where there was none. */
  end(): Promise<boolean>;
}

export interface AccessOptions extends LoginOptions {
  readonly endpoint: URL;
  readonly kept: Kept;
  readonly signal: AbortSignal;
}

/** Milliseconds that a person has. */
const patience = 600_000;
/** Milliseconds before its end that a token is not used any more. */
const margin = 10_000;
/** Milliseconds between two looks at what another process is doing. */
const poll = 250;

export function access({ endpoint, kept, ...options }: AccessOptions): Access {
  const { href } = endpoint;
  let token: KeptToken | undefined;
  let renewing: Promise<string> | undefined;

  const keep = async ({ issuer, resource }: Pick<KeptToken, 'issuer' | 'resource'>, granted: Granted) => {
    token = { issuer, resource, ...granted };
    await kept.tokens.set(href, token);
    return token.accessToken;
  };

  /** The access token, where it is another one than the server has refused and has not ended. */
  const good = (found: KeptToken | undefined, refused?: string): string | undefined => {
    const ended = (found?.expiresAt ?? Number.POSITIVE_INFINITY) - margin < Date.now();
    return ended || found?.accessToken === refused ? undefined : found?.accessToken;
  };

  /** Several of us may run at once: one asks the person, the others wait for what it gets. */
  const renew = async (challenge: Challenge, refused: string | undefined): Promise<string> => {
    for (;;) {
      token = await kept.tokens.get(href);
      const found = good(token, refused);
      if (found !== undefined) return found;
      await using claim = await kept.claim(href);
      if (claim) return await replace(challenge, refused);
      await delay(poll, undefined, { signal: options.signal });
    }
  };

  const replace = async (challenge: Challenge, refused: string | undefined): Promise<string> => {
    // Between the look and the claim another one may have been at it.
    const former = await kept.tokens.get(href);
    const found = good(former, refused);
    if (found !== undefined) return found;
    const discovered = await discover(endpoint, challenge);
    const { issuer } = discovered.server;
    const lacksScope = challenge.error === 'insufficient_scope';
    if (former?.refreshToken !== undefined && former.issuer === issuer && !lacksScope) {
      const granted = await refresh(discovered, former.client, { ...former, refreshToken: former.refreshToken });
      if (granted) return await keep({ issuer, resource: discovered.resource }, granted);
    }
    // MCP 2025-11-25 authorization, "Scope Selection Strategy": what the challenge names, else all of the metadata.
    const asked = challenge.scope?.split(' ') ?? discovered.scopes ?? [];
    const before = lacksScope ? (former?.scope?.split(' ') ?? []) : [];
    const scope = [...new Set([...before, ...asked])].join(' ');
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(patience)]);
    const granted = await logIn({ ...options, discovered, signal, scope: scope === '' ? undefined : scope }, kept);
    options.say('Logged in.');
    return await keep({ issuer, resource: discovered.resource }, granted);
  };

  return {
    async current() {
      token ??= await kept.tokens.get(href);
      const found = good(token);
      if (found !== undefined || token?.refreshToken === undefined) return found;
      return await this.renewed({}, token.accessToken);
    },
    renewed(challenge, refused) {
      renewing ??= renew(challenge, refused).finally(() => {
        renewing = undefined;
      });
      return renewing;
    },
    async end() {
      const found = await kept.tokens.get(href);
      if (found === undefined) return false;
      const { server } = await discover(endpoint, {});
      if (server.issuer === found.issuer) await revoke(server, found.client, found.refreshToken ?? found.accessToken);
      return await kept.tokens.delete(href);
    },
  };
}
