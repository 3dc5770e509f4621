/** The OAuth clients we know: configured, registered (RFC 7591), or described by their own document. */

import type { Store } from '../store/store.ts';
import type { ClientMetadata } from './client-metadata.ts';
import type { AuthConfig } from './config.ts';
import type { Grants } from './grants.ts';
import { isDocumentUrl, type MetadataDocuments } from './metadata-document.ts';
import { isRegisteredId, registeredClients } from './registered-clients.ts';
import { hashed } from './secrets.ts';

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
  /** The client with this id, or undefined. Refuses where the id is the URL of a document that is missing or wrong. */
  find(clientId: string): Promise<Client | undefined>;
  /** Registers, or gives back the public client that registered the very same metadata before. */
  register(metadata: ClientMetadata): Promise<Registration>;
  /** Whether this registration access token was issued for this client, RFC 7592 §3. Constant time. */
  manages(clientId: string, registrationAccessToken: string): Promise<boolean>;
  /** RFC 7592 §2.2: replaces all metadata; answers a new registration access token, the old one ends. */
  update(clientId: string, metadata: ClientMetadata): Promise<Registration>;
  /**
   * Ends the client and every grant it has. False where it was not there. A client itself (RFC 7592 §2.3) may not end
   * what others share; the operator may.
   */
  delete(clientId: string, by: 'client' | 'operator'): Promise<boolean>;
  /** A use of the client: its lifetime begins anew. False where it is gone. */
  renew(client: Client): Promise<boolean>;
  /** The configured clients, then the registered ones. */
  all(): AsyncIterable<Client>;
  count(): Promise<number>;
}

export function clients(
  config: Pick<AuthConfig, 'clients' | 'clientLifetime'>,
  parts: { readonly store: Store; readonly grants: Grants; readonly documents?: MetadataDocuments | undefined },
): Clients {
  const registered = registeredClients(parts.store, config.clientLifetime);
  const configured = new Map<string, Client>(
    config.clients.map(({ id, secret, metadata }) => [
      id,
      { id, kind: 'configured', metadata, ...(secret !== undefined && { secretHash: hashed(secret) }) },
    ]),
  );
  return {
    async find(id) {
      const found = configured.get(id);
      if (found) return found;
      if (parts.documents && isDocumentUrl(id)) return parts.documents.find(id);
      return isRegisteredId(id) ? registered.find(id) : undefined;
    },
    register: registered.register,
    manages: registered.manages,
    update: registered.update,
    async delete(id, by) {
      const ended = await registered.delete(id, by);
      // Only now: a grant begun meanwhile finds no client to redeem its code. A client that never got a token costs no listing:
      // those are the ones that anybody can make.
      if (ended?.used === true)
        for await (const grant of parts.grants.ofClient(id)) await parts.grants.revoke(grant.id);
      return ended !== undefined;
    },
    renew: async (client) => (client.kind === 'registered' ? registered.renew(client.id) : true),
    async *all() {
      yield* configured.values();
      yield* registered.all();
    },
    count: async () => configured.size + (await registered.count()),
  };
}
