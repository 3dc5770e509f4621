/** The OAuth clients we know: configured, registered (RFC 7591), or described by their own document. */

import type { ClientMetadata } from './client-metadata.ts';

export interface Client {
  readonly id: string;
  readonly kind: 'registered' | 'configured' | 'metadata-document';
  readonly metadata: ClientMetadata;
  /** SHA-256 of the client secret in base64url, for a client that has one. */
  readonly secretHash?: string;
  /** Seconds since the epoch; absent for configured clients and metadata documents. */
  readonly issuedAt?: number;
}

/** What a new registration is answered with; nothing here can be read again later. */
export interface Registration {
  readonly client: Client;
  readonly secret?: string;
  /** RFC 7592 §3. Absent where an existing client was given again: it belongs to whoever registered it first. */
  readonly registrationAccessToken?: string;
}

export interface Clients {
  /**
   * The client with this id, or undefined. An `https:` id may be fetched (a Client ID Metadata Document); where that
   * fails it refuses with invalid_client, saying why.
   */
  find(clientId: string): Promise<Client | undefined>;
  /** Registers, or gives back the public client that registered the very same metadata before. */
  register(metadata: ClientMetadata): Promise<Registration>;
  /** Whether this registration access token was issued for this client, RFC 7592 §3. Constant time. */
  manages(clientId: string, registrationAccessToken: string): Promise<boolean>;
  /** RFC 7592 §2.2: replaces all metadata; answers a new registration access token, the old one ends. */
  update(clientId: string, metadata: ClientMetadata): Promise<Registration>;
  /** Ends the client and every grant it has. False where it was not there. */
  delete(clientId: string): Promise<boolean>;
  /** A use of the client: its lifetime begins anew. */
  renew(client: Client): Promise<void>;
  /** The registered clients, in no order. */
  registered(): AsyncIterable<Client>;
}
