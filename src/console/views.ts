/** What the operations answer that the page shows, as far as it reads it. The page's own code reads these types too. */

export interface ClientRow {
  readonly id: string;
  readonly kind: 'registered' | 'configured' | 'metadata-document';
  readonly metadata: { readonly client_name?: string; readonly redirect_uris: readonly string[] };
  /** Seconds since the epoch. */
  readonly issuedAt?: number;
}

/** Times in seconds since the epoch. */
export interface GrantRow {
  readonly id: string;
  readonly clientId: string;
  readonly subject: string;
  readonly username: string;
  readonly resources: readonly string[];
  readonly scope: readonly string[];
  readonly createdAt: number;
  readonly usedAt?: number;
}

/** Times in seconds since the epoch. */
export interface TokenRow {
  readonly id: string;
  readonly name: string;
  readonly subject: string;
  readonly username: string;
  readonly resources: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number;
}

export interface UserRow {
  readonly name: string;
  readonly from: 'configuration' | 'store';
}

/** Times in seconds since the epoch. */
export interface KeyRow {
  readonly kid: string;
  readonly alg: string;
  readonly signs: boolean;
  readonly createdAt: number;
  readonly neededUntil: number;
  readonly retiredAt?: number;
}

export interface TrailRow {
  readonly clientId?: string;
  readonly clientAddress: string;
  readonly userAgent: string;
  readonly route?: string;
  readonly steps: Readonly<Record<string, StepTaken>>;
  readonly state: 'works' | 'under way' | 'stuck';
  readonly verdict: string;
}

/** Times in ISO 8601. */
export interface StepTaken {
  readonly times: number;
  readonly first?: string;
  readonly last?: string;
  readonly refused?: { readonly at: string; readonly reason: string; readonly times: number };
}
