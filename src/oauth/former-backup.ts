/**
 * The backup of mcp-oauth-gateway, taken over: its clients, with their ids, secrets and registration tokens. Its access and
 * refresh tokens stand for nothing here, so people let their clients in once more; the clients need not register again.
 */

import type { StoredRecord } from '../store/store.ts';
import { clientMetadata } from './client-metadata.ts';
import { type ClientRecord, isRegisteredId } from './registered-clients.ts';
import { hashed } from './secrets.ts';

interface FormerEntry {
  /** The client as JSON text. */
  readonly value?: unknown;
  /** Seconds left when the backup was made; -1 for ever. */
  readonly ttl?: unknown;
}

export function isFormerBackup(text: string): boolean {
  const whole = parsed(text);
  return isObject(whole) && isObject(whole.registrations);
}

/** Those that can be read and whose metadata is allowed here. `now` in milliseconds. Throws where there is none. */
export function importRegistrations(text: string, now: number): StoredRecord[] {
  const { registrations = {}, timestamp } = parsed(text) as { registrations?: object; timestamp?: unknown };
  const madeAt = typeof timestamp === 'string' && !Number.isNaN(Date.parse(timestamp)) ? Date.parse(timestamp) : now;
  const records = Object.values(registrations).flatMap((entry: unknown) => {
    const { value, ttl } = (isObject(entry) ? entry : {}) as FormerEntry;
    const record = clientOf(typeof value === 'string' ? parsed(value) : value, now);
    if (record === undefined) return [];
    const endsAt = typeof ttl === 'number' && ttl >= 0 ? { endsAt: madeAt + ttl * 1000 } : {};
    return [{ key: `client:${record.id}`, value: record, ...endsAt }];
  });
  if (records.length === 0) throw new Error('has no client that could be taken over');
  return records;
}

function clientOf(former: unknown, now: number): ClientRecord | undefined {
  if (!isObject(former)) return undefined;
  const { client_id: id, client_secret: secret, registration_access_token: token, client_name } = former;
  if (typeof id !== 'string' || typeof secret !== 'string' || typeof token !== 'string') return undefined;
  if (!isRegisteredId(id) || secret.length < 32 || token.length < 32) return undefined;
  const issuedAt = Number(former.client_id_issued_at) || Math.floor(now / 1000);
  try {
    const metadata = clientMetadata({
      redirect_uris: listOf(former.redirect_uris),
      grant_types: listOf(former.grant_types),
      client_name,
      // It gave every client a secret, whatever the client had asked for.
      token_endpoint_auth_method: 'client_secret_post',
    });
    const renewedAt = Math.floor(now / 1000);
    return {
      id,
      metadata,
      secretHash: hashed(secret),
      registrationAccessTokenHash: hashed(token),
      issuedAt,
      renewedAt,
      used: false,
    };
  } catch {
    return undefined;
  }
}

/** Lists are JSON within JSON there. */
function listOf(value: unknown): unknown {
  return typeof value === 'string' ? parsed(value) : value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
