/** A live token of either kind and what it stands for, for the client that has nothing but its text. */

import type { AccessTokens } from './access-token.ts';
import { OAuthError } from './errors.ts';
import type { RefreshTokens } from './refresh-token.ts';

export interface FoundToken {
  readonly kind: 'access' | 'refresh';
  readonly grantId: string;
  readonly clientId: string;
  readonly subject: string;
  readonly username: string;
  readonly scope: readonly string[];
  readonly audience: readonly string[];
  readonly tokenId?: string;
  /** Seconds since the epoch. */
  readonly issuedAt?: number;
  readonly expiresAt?: number;
}

/** Undefined for what is no live token. The hint of RFC 7009 §2.1 decides nothing: the two kinds look different. */
export type TokenSearch = (token: string, hint: string | undefined) => Promise<FoundToken | undefined>;

export function tokenSearch(accessTokens: AccessTokens, refreshTokens: RefreshTokens): TokenSearch {
  return async (token) => {
    const grant = await refreshTokens.liveGrantOf(token);
    if (grant) {
      const { id: grantId, clientId, subject, username, scope, resources: audience } = grant;
      return { kind: 'refresh', grantId, clientId, subject, username, scope, audience };
    }
    try {
      return { kind: 'access', ...(await accessTokens.verify(token)) };
    } catch (error) {
      if (error instanceof OAuthError && error.code === 'invalid_token') return undefined;
      throw error;
    }
  };
}
