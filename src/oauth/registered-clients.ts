/** Clients that registered themselves, RFC 7591 and RFC 7592: kept while they are used. */

import { createHash } from 'node:crypto';
import { exclusively } from '../store/lock.ts';
import { collection, type Store } from '../store/store.ts';
import type { ClientMetadata } from './client-metadata.ts';
import type { Client, Registration } from './clients.ts';
import { OAuthError } from './errors.ts';
import { hashed, hashMatches, newId, newSecret } from './secrets.ts';

/** As it is stored under `client:ID`. */
export interface ClientRecord {
  readonly id: string;
  readonly metadata: ClientMetadata;
  readonly secretHash?: string;
  readonly registrationAccessTokenHash: string;
  /** Seconds since the epoch, both. */
  readonly issuedAt: number;
  readonly renewedAt: number;
  /** Whether it ever got a token. */
  readonly used: boolean;
}

export interface RegisteredClients {
  find(clientId: string): Promise<Client | undefined>;
  register(metadata: ClientMetadata): Promise<Registration>;
  manages(clientId: string, registrationAccessToken: string): Promise<boolean>;
  update(clientId: string, metadata: ClientMetadata): Promise<Registration>;
  /** Undefined where it was not there. */
  delete(clientId: string, by: 'client' | 'operator'): Promise<{ readonly used: boolean } | undefined>;
  /** It gets a token. */
  renew(clientId: string): Promise<boolean>;
  all(): AsyncIterable<Client>;
  count(): Promise<number>;
}

const seconds = () => Math.floor(Date.now() / 1000);

/** `lifetime` in seconds since the last use, 0 for ever. */
export function registeredClients(store: Store, lifetime: number): RegisteredClients {
  const records = collection<ClientRecord>(store, 'client');
  /** Metadata to the public client that registered it first. */
  const byMetadata = collection<string>(store, 'client-by-metadata');
  const shared = collection<true>(store, 'client-shared');
  const ttl = lifetime > 0 ? { ttl: lifetime } : {};
  /** One writer per client at a time: a renewal must not write back what an update has just replaced. */
  const alone = <T>(id: string, work: () => Promise<T>) => exclusively(store, `client ${id}`, work);

  /**
   * A public client has no secret, so the same metadata registered again may have the same id: clients that register
   * on every start then cost one record. It is shared from then on, and nobody may change or delete what others use.
   */
  async function sameAgain(metadata: ClientMetadata): Promise<Client | undefined> {
    const key = fingerprint(metadata);
    const id = await byMetadata.get(key);
    if (id === undefined || (await records.get(id)) === undefined) return undefined;
    await shared.set(id, true, ttl);
    // An update takes the fingerprint away before it looks whether the client is shared; so one of us sees the other.
    const record = (await byMetadata.get(key)) === id ? await records.get(id) : undefined;
    return record && fingerprint(record.metadata) === key ? client(record) : undefined;
  }

  async function changeable(record: ClientRecord): Promise<void> {
    await byMetadata.delete(fingerprint(record.metadata));
    if (await shared.get(record.id)) {
      // RFC 7592 §2.2, §2.3: 403 where the client may not do this.
      throw new OAuthError('access_denied', 'Others registered the same metadata and share this client; register anew');
    }
  }

  return {
    find: async (id) => {
      const record = await records.get(id);
      return record && client(record);
    },
    async register(metadata) {
      const isPublic = metadata.token_endpoint_auth_method === 'none';
      if (isPublic) {
        const existing = await sameAgain(metadata);
        if (existing) return { client: existing };
      }
      const secret = usesSecret(metadata) ? newSecret() : undefined;
      const registrationAccessToken = newSecret();
      const now = seconds();
      const record: ClientRecord = {
        id: newId(),
        metadata,
        ...(secret !== undefined && { secretHash: hashed(secret) }),
        registrationAccessTokenHash: hashed(registrationAccessToken),
        issuedAt: now,
        renewedAt: now,
        used: false,
      };
      await records.set(record.id, record, ttl);
      if (isPublic) await byMetadata.set(fingerprint(metadata), record.id, ttl);
      return { client: client(record), registrationAccessToken, ...(secret !== undefined && { secret }) };
    },
    async manages(id, token) {
      const record = await records.get(id);
      // Compared even where there is no such client, so that both take as long.
      return hashMatches(token, record?.registrationAccessTokenHash ?? hashed('')) && record !== undefined;
    },
    update: (id, metadata) =>
      alone(id, async () => {
        const record = await records.get(id);
        if (!record) throw new OAuthError('invalid_client', 'There is no such client');
        await changeable(record);
        const secret = usesSecret(metadata) && record.secretHash === undefined ? newSecret() : undefined;
        const secretHash = secret !== undefined ? hashed(secret) : usesSecret(metadata) ? record.secretHash : undefined;
        const registrationAccessToken = newSecret();
        const { id: _, secretHash: __, ...kept } = record;
        const next: ClientRecord = {
          ...kept,
          id,
          metadata,
          ...(secretHash !== undefined && { secretHash }),
          registrationAccessTokenHash: hashed(registrationAccessToken),
          renewedAt: seconds(),
        };
        if (!(await records.set(id, next, { ...ttl, only: 'present' }))) {
          throw new OAuthError('invalid_client', 'There is no such client');
        }
        return { client: client(next), registrationAccessToken, ...(secret !== undefined && { secret }) };
      }),
    delete: (id, by) =>
      alone(id, async () => {
        const record = await records.get(id);
        if (!record) return undefined;
        if (by === 'client') await changeable(record);
        else await byMetadata.delete(fingerprint(record.metadata));
        await shared.delete(id);
        return (await records.delete(id)) ? { used: record.used } : undefined;
      }),
    async renew(id) {
      const record = await records.get(id);
      if (!record) return false;
      // A hundredth of the lifetime is near enough, and spares a write per token.
      if (record.used && (lifetime === 0 || seconds() - record.renewedAt < lifetime / 100)) return true;
      return alone(id, async () => {
        const current = await records.get(id);
        if (!current) return false;
        const key = fingerprint(current.metadata);
        if ((await byMetadata.get(key)) === id) await byMetadata.set(key, id, { ...ttl, only: 'present' });
        await shared.set(id, true, { ...ttl, only: 'present' });
        return records.set(id, { ...current, renewedAt: seconds(), used: true }, { ...ttl, only: 'present' });
      });
    },
    async *all() {
      for await (const record of records.values()) yield client(record);
    },
    async count() {
      let count = 0;
      for await (const _ of records.ids()) count += 1;
      return count;
    },
  };
}

function client({ id, metadata, secretHash, issuedAt }: ClientRecord): Client {
  return { id, kind: 'registered', metadata, issuedAt, ...(secretHash !== undefined && { secretHash }) };
}

/** What we give out has 22 characters, and so has what was imported, after its prefix; nothing else is worth asking the store for. */
export function isRegisteredId(id: string): boolean {
  return /^(client_)?[\w-]{22}$/.test(id);
}

export function usesSecret(metadata: ClientMetadata): boolean {
  return metadata.token_endpoint_auth_method.startsWith('client_secret_');
}

/** The same for the same metadata, in whatever order its members and redirect URIs came. */
function fingerprint(metadata: ClientMetadata): string {
  const sorted = { ...metadata, redirect_uris: metadata.redirect_uris.toSorted() };
  const text = JSON.stringify(sorted, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return createHash('sha256').update(text).digest('base64url');
}
