/** What is kept of each server between two runs: who we are there and what we may, in a file that its owner alone may read. */

import { collection, type Store } from '../store/store.ts';

export interface KeptClient {
  readonly id: string;
  readonly secret?: string;
  readonly redirectUri: string;
  /** RFC 7592: where the server says whether it still knows us. */
  readonly registration?: { readonly uri: string; readonly token: string };
}

export interface KeptToken {
  readonly issuer: string;
  /** Whom it was given to: two logins at once may have registered twice. */
  readonly client: Pick<KeptClient, 'id' | 'secret'>;
  readonly resource: string;
  readonly accessToken: string;
  readonly refreshToken?: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number;
  readonly scope?: string;
}

export interface Kept {
  /** By issuer: MCP 2026-07-28 authorization, credentials belong to whoever gave them. */
  readonly clients: ReturnType<typeof collection<KeptClient>>;
  /** By endpoint. */
  readonly tokens: ReturnType<typeof collection<KeptToken>>;
  /** One of several processes at a time. Undefined where another one has it. */
  claim(endpoint: string): Promise<AsyncDisposable | undefined>;
}

/** Seconds after which the claim of a process that died is free. */
const lease = 15;

export function kept(store: Store): Kept {
  const claims = collection<true>(store, 'connect-login');
  return {
    clients: collection<KeptClient>(store, 'connect-client'),
    tokens: collection<KeptToken>(store, 'connect-token'),
    async claim(endpoint) {
      if (!(await claims.set(endpoint, true, { ttl: lease, only: 'absent' }))) return undefined;
      const renewal = setInterval(
        () => void claims.set(endpoint, true, { ttl: lease, only: 'present' }).catch(() => undefined),
        (lease / 3) * 1000,
      );
      return {
        async [Symbol.asyncDispose]() {
          clearInterval(renewal);
          await claims.delete(endpoint);
        },
      };
    },
  };
}
