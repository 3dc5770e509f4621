/** Private keys and other secrets that must be read again are encrypted before they reach the store. */

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { Store } from './store.ts';

/** Kinds of records whose values are sealed; docs/storage.md lists them. */
const sealedKinds = [
  'signing-key',
  'signing-keys',
  'certificate',
  'acme-account',
  'tls-ticket-keys',
  'login-state',
  'store-key',
];

const nonceBytes = 12;
const tagBytes = 16;

/** As it is stored: AES-256-GCM, base64url of nonce, tag and text. */
interface Sealed {
  readonly sealed: string;
}

/** Encrypts values on the way in and decrypts them on the way out, for those kinds of records that need it. */
export function sealedStore(store: Store, secret: string): Store {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'mcp-gateway store', 32));
  const isSealed = (name: string) => sealedKinds.includes(name.slice(0, name.indexOf(':')));
  return {
    ...store,
    async get(name) {
      const value = await store.get(name);
      return value === undefined || !isSealed(name) ? value : unseal(key, name, value);
    },
    async *records(prefix) {
      for await (const record of store.records(prefix))
        yield isSealed(record.key) ? { ...record, value: unseal(key, record.key, record.value) } : record;
    },
    set: async (name, value, options) => store.set(name, isSealed(name) ? seal(key, name, value) : value, options),
  };
}

/** Rejects with one sentence for the operator where what the store has was sealed with another secret. */
export async function checkSecret(store: Store): Promise<void> {
  const name = 'store-key:check';
  await store.set(name, true, { only: 'absent' });
  await store.get(name);
}

function seal(key: Buffer, name: string, value: unknown): Sealed {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(name));
  const text = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()]);
  return { sealed: Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64url') };
}

/** The name is sealed with the value, so that no record can be put in the place of another. */
function unseal(key: Buffer, name: string, value: unknown): unknown {
  const { sealed } = value as Partial<Sealed>;
  try {
    const bytes = Buffer.from(sealed ?? '', 'base64url');
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
      .setAAD(Buffer.from(name))
      .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
    const text = Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]);
    return JSON.parse(text.toString('utf8'));
  } catch {
    throw new Error(
      'store: its private keys were sealed with another key; give every gateway on this store the same storeKey (or store.key file)',
    );
  }
}
