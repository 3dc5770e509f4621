/** A grant is what a person allowed a client: the root of its code and tokens, all of which live exactly as long. */

import type { Client } from './clients.ts';

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
  /** A personal token, made by the operator for a script and named for people to read. */
  readonly personal?: { readonly name: string; readonly expiresAt: number };
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

export interface Grants {
  /** A code for 60 seconds and one use. */
  issueCode(request: CodeRequest): Promise<string>;
  /** The grant behind a code; refuses with invalid_grant. A second redemption ends the grant (OAuth 2.1 §4.1.3). */
  redeemCode(code: string, proof: CodeProof): Promise<Grant>;
  /** A grant without a code in between: the device flow, personal tokens. `lifetime` in seconds. */
  open(
    request: Omit<CodeRequest, 'client' | 'redirectUri' | 'codeChallenge'> & {
      readonly clientId: string;
      readonly personal?: Grant['personal'];
    },
  ): Promise<Grant>;
  /** The live grant, or undefined. */
  find(grantId: string): Promise<Grant | undefined>;
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
