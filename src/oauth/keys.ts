/** The keys access tokens are signed with: made on first need, shared through the store, published, rotated. */

import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import { collection, type Store, StoreUnavailable } from '../store/store.ts';

export type SigningAlgorithm = 'RS256' | 'ES256' | 'EdDSA';

/** As it is stored. Times in seconds since the epoch. */
interface KeyRecord {
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly privateJwk: JWK;
  readonly createdAt: number;
  /** The end of the last token it signed, as far as that lives longer than usual or the key is retired. */
  readonly neededUntil: number;
  /** Absent for the key in use. */
  readonly retiredAt?: number;
}

/** Which key signs. A successor signs from `since` on, so that it is known everywhere before its first signature. */
interface Current {
  readonly kid: string;
  readonly since: number;
  readonly before?: string;
}

export interface SigningKey {
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly key: CryptoKey;
}

export interface KeyInfo extends Pick<KeyRecord, 'kid' | 'alg' | 'createdAt' | 'neededUntil' | 'retiredAt'> {
  readonly signs: boolean;
}

export interface SigningKeys {
  /** The key to sign with now, for a token that ends at `expiresAt` (seconds since the epoch). */
  signer(expiresAt: number): Promise<SigningKey>;
  /** The public key with this id, or undefined. */
  verifier(kid: string): Promise<SigningKey | undefined>;
  /** RFC 7517 §5: the public halves, the retired ones as long as a token signed by them may live. */
  published(): Promise<{ readonly keys: readonly JWK[] }>;
  list(): Promise<KeyInfo[]>;
  /**
   * Makes a new key; it is published at once and signs after a minute, when every cache of the key set has seen it.
   * `compromised` skips the wait and forgets every other key: all access tokens end, refresh tokens stay.
   */
  rotate(options?: { readonly compromised?: boolean }): Promise<KeyInfo>;
}

/** How long a process may answer from its copy of the key set, in seconds. */
const copyLifetime = 5;
/** Milliseconds for which a copy is good enough while the store cannot be asked. */
const staleLifetime = 15_000;
/** Longer than any copy of the key set is kept: ours, an HTTP cache's, or that of a verifier which just asked. */
const publishAhead = 60;
/** For how long after its expiry a token could still be looked at, and clocks that differ. */
const margin = 300;

const seconds = () => Math.floor(Date.now() / 1000);

/** `tokenLifetime` in seconds. Starts making a key in the background where the store has none; whoever needs it waits. */
export function signingKeys(store: Store, alg: SigningAlgorithm, tokenLifetime: number): SigningKeys {
  const records = collection<KeyRecord>(store, 'signing-key');
  const pointers = collection<Current>(store, 'signing-key-current');
  const imported = new Map<string, Promise<{ priv: SigningKey; pub: SigningKey }>>();
  let copy: { until: number; all: Promise<KeyRecord[]>; readAt: number } | undefined;

  async function make(): Promise<KeyRecord> {
    const { privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 });
    const privateJwk = await exportJWK(privateKey);
    // RFC 7638: the id is the key's own thumbprint, so two keys never share one.
    const kid = await calculateJwkThumbprint(privateJwk);
    const now = seconds();
    return { kid, alg, privateJwk, createdAt: now, neededUntil: now };
  }

  /** Every gateway on one store ends with the same key: the first claim wins, the others drop what they made. */
  async function first(): Promise<Current> {
    const found = await pointers.get(alg);
    if (found) return found;
    const record = await make();
    await records.set(record.kid, record);
    const current: Current = { kid: record.kid, since: 0 };
    if (await pointers.set(alg, current, { only: 'absent' })) return current;
    await records.delete(record.kid);
    return first();
  }

  async function load(): Promise<KeyRecord[]> {
    const all: KeyRecord[] = [];
    for await (const kid of records.ids()) {
      const record = await records.get(kid);
      if (record) all.push(record);
    }
    return all;
  }

  function known(fresh = false): Promise<KeyRecord[]> {
    const now = seconds();
    if (fresh || copy === undefined || copy.until <= now) {
      const former = copy;
      const readAt = Date.now();
      const mine = { until: now + copyLifetime, all: load(), readAt };
      mine.all = mine.all.catch((error: unknown) => {
        // While the store is away tokens are still checked, for as long as grants are remembered.
        if (!(error instanceof StoreUnavailable) || former === undefined || readAt - former.readAt > staleLifetime)
          throw error;
        mine.readAt = former.readAt;
        mine.until = 0;
        return former.all;
      });
      const { all } = mine;
      copy = mine;
      all.catch(() => {
        if (copy === mine) copy = undefined;
      });
    }
    return copy.all;
  }

  async function use(record: KeyRecord): Promise<{ priv: SigningKey; pub: SigningKey }> {
    let keys = imported.get(record.kid);
    if (!keys) {
      const base = { kid: record.kid, alg: record.alg };
      keys = Promise.all([importJWK(record.privateJwk, record.alg), importJWK(publicHalf(record), record.alg)]).then(
        ([priv, pub]) => ({ priv: { ...base, key: priv as CryptoKey }, pub: { ...base, key: pub as CryptoKey } }),
      );
      imported.set(record.kid, keys);
    }
    return keys;
  }

  async function prepared(): Promise<Current> {
    starting ??= first();
    try {
      await starting;
    } catch (error) {
      starting = undefined;
      throw error;
    }
    return (await pointers.get(alg)) ?? first();
  }

  async function find(kid: string): Promise<KeyRecord | undefined> {
    return (await known()).find((record) => record.kid === kid) ?? (await records.get(kid));
  }

  const info = (record: KeyRecord, current: Current): KeyInfo => ({
    kid: record.kid,
    alg: record.alg,
    createdAt: record.createdAt,
    neededUntil: record.neededUntil,
    ...(record.retiredAt !== undefined && { retiredAt: record.retiredAt }),
    signs: record.kid === signing(current),
  });

  const signing = (current: Current) =>
    current.before !== undefined && seconds() < current.since ? current.before : current.kid;

  let starting: Promise<Current> | undefined = first();
  starting.catch(() => {
    starting = undefined;
  });

  return {
    async signer(expiresAt) {
      const kid = signing(await prepared());
      const record = await find(kid);
      if (!record) throw new Error(`signing key ${kid} is not in the store`);
      // A token that outlives the usual one keeps its key published as long.
      if (expiresAt > Math.max(record.neededUntil, seconds() + tokenLifetime)) {
        await records.set(kid, { ...record, neededUntil: expiresAt }, { only: 'present' });
        await known(true);
      }
      return (await use(record)).priv;
    },
    async verifier(kid) {
      // A kid that no thumbprint looks like is not worth asking the store for.
      if (!/^[A-Za-z0-9_-]{43}$/.test(kid)) return undefined;
      const record = await find(kid);
      return record && (await use(record)).pub;
    },
    async published() {
      await prepared();
      return { keys: (await known()).map(publicHalf) };
    },
    async list() {
      const current = await prepared();
      return (await known(true)).map((record) => info(record, current)).sort((a, b) => b.createdAt - a.createdAt);
    },
    async rotate({ compromised = false } = {}) {
      const current = await prepared();
      const record = await make();
      await records.set(record.kid, record);
      const now = seconds();
      const before = signing(current);
      const next: Current = compromised
        ? { kid: record.kid, since: now }
        : { kid: record.kid, since: now + publishAhead, before };
      await pointers.set(alg, next);
      for (const old of await known(true)) {
        if (old.kid === record.kid) continue;
        if (compromised) {
          await records.delete(old.kid);
          imported.delete(old.kid);
        } else if (old.retiredAt === undefined) {
          const neededUntil = Math.max(old.neededUntil, now + publishAhead + tokenLifetime);
          const retired = { ...old, neededUntil, retiredAt: now + publishAhead };
          await records.set(old.kid, retired, { only: 'present', ttl: neededUntil - now + margin });
        }
      }
      await known(true);
      return info(record, next);
    },
  };
}

/** RFC 7517 §4: the public members and what they are for. */
function publicHalf({ privateJwk, kid, alg }: KeyRecord): JWK {
  const { kty, n, e, crv, x, y } = privateJwk;
  const members = kty === 'RSA' ? { n, e } : kty === 'EC' ? { crv, x, y } : { crv, x };
  return { kty, ...members, kid, alg, use: 'sig' } as JWK;
}
