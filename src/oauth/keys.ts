/** The keys access tokens are signed with: made on first need, shared through the store, published, rotated. */

import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import { exclusively } from '../store/lock.ts';
import { collection, type Store, StoreUnavailable } from '../store/store.ts';

export type SigningAlgorithm = 'RS256' | 'ES256' | 'EdDSA';

/** A key as everybody may know it. Times in seconds since the epoch. */
interface PublicKey {
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly jwk: JWK;
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

/** One record, so that one read tells all of them and no listing is needed. */
interface KeySet {
  readonly keys: readonly PublicKey[];
  readonly signs: { readonly [alg in SigningAlgorithm]?: Current };
}

export interface SigningKey {
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly key: CryptoKey;
}

export interface KeyInfo extends Omit<PublicKey, 'jwk'> {
  readonly signs: boolean;
}

export interface SigningKeys {
  /** The key to sign with now, for a token that ends at `expiresAt` (seconds since the epoch). */
  signer(expiresAt: number): Promise<SigningKey>;
  /** The public key with this id, or undefined. */
  verifier(kid: string): Promise<SigningKey | undefined>;
  /** Whether `verifier` knew it less than a second ago; where it says no, `verifier` must be asked. */
  isKnown(kid: string): boolean;
  /** RFC 7517 §5: the public halves, the retired ones as long as a token signed by them may live. */
  published(): Promise<{ readonly keys: readonly JWK[] }>;
  list(): Promise<KeyInfo[]>;
  /**
   * Makes a new key; it is published at once and signs after a minute, when every cache of the key set has seen it.
   * `compromised` skips the wait and forgets every other key: all access tokens end, refresh tokens stay.
   */
  rotate(options?: { readonly compromised?: boolean }): Promise<KeyInfo>;
}

/** Milliseconds for which a process answers from its copy of the key set: by then a key withdrawn elsewhere is refused here. */
const copyLifetime = 1000;
/** Milliseconds for which a copy is good enough while the store cannot be asked. */
const staleLifetime = 15_000;
/** Longer than any copy of the key set is kept: ours, an HTTP cache's, or that of a verifier which just asked. In seconds. */
const publishAhead = 60;
/** For how long after its expiry a token could still be looked at, and clocks that differ. In seconds. */
const margin = 300;

const seconds = () => Math.floor(Date.now() / 1000);

/** `tokenLifetime` in seconds. Starts making a key in the background where the store has none; whoever needs it waits. */
export function signingKeys(store: Store, alg: SigningAlgorithm, tokenLifetime: number): SigningKeys {
  const sets = collection<KeySet>(store, 'signing-keys');
  const privates = collection<JWK>(store, 'signing-key');
  const verifiers = new Map<string, Promise<SigningKey>>();
  const signers = new Map<string, Promise<SigningKey>>();
  let copy: { readonly set: Promise<KeySet>; askedAt: number; readAt: number; found?: KeySet } | undefined;
  let making: Promise<KeySet> | undefined;

  async function read(): Promise<KeySet> {
    const { keys, signs } = (await sets.get('all')) ?? { keys: [], signs: {} };
    const needed = keys.filter((key) => key.retiredAt === undefined || seconds() <= key.neededUntil + margin);
    for (const cache of [verifiers, signers])
      for (const kid of cache.keys()) if (!needed.some((key) => key.kid === kid)) cache.delete(kid);
    return { keys: needed, signs };
  }

  function known(fresh = false): Promise<KeySet> {
    const now = performance.now();
    const former = copy;
    if (!fresh && former !== undefined && now - former.askedAt < copyLifetime) return former.set;
    const set = read().catch((error: unknown) => {
      // While the store is away tokens are still checked, for as long as grants are remembered.
      if (!(error instanceof StoreUnavailable) || former === undefined || now - former.readAt > staleLifetime)
        throw error;
      Object.assign(mine, { askedAt: Number.NEGATIVE_INFINITY, readAt: former.readAt });
      return former.set;
    });
    const mine: NonNullable<typeof copy> = { set, askedAt: now, readAt: now };
    copy = mine;
    set.then(
      (found) => {
        mine.found = found;
      },
      () => {
        if (copy === mine) copy = undefined;
      },
    );
    return set;
  }

  /** One change at a time among all gateways, of what the last one left. */
  function change(next: (set: KeySet) => KeySet | Promise<KeySet>): Promise<KeySet> {
    return exclusively(store, 'the signing keys', async (stillHeld) => {
      const set = await next(await read());
      stillHeld();
      await sets.set('all', set);
      return known(true);
    });
  }

  async function make(): Promise<{ readonly made: PublicKey; readonly privateJwk: JWK }> {
    const { privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 });
    const privateJwk = await exportJWK(privateKey);
    // RFC 7638: the id is the key's own thumbprint, so two keys never share one.
    const kid = await calculateJwkThumbprint(privateJwk);
    const now = seconds();
    const made = { kid, alg, jwk: publicHalf(privateJwk, kid, alg), createdAt: now, neededUntil: now };
    return { made, privateJwk };
  }

  /** Every gateway on one store ends with the same key: the first one's, the others drop what they made. */
  async function first(): Promise<KeySet> {
    const { made, privateJwk } = await make();
    return change(async (set) => {
      if (set.signs[alg] !== undefined) return set;
      await privates.set(made.kid, privateJwk);
      return { keys: [...set.keys, made], signs: { ...set.signs, [alg]: { kid: made.kid, since: 0 } } };
    });
  }

  async function prepared(fresh = true): Promise<KeySet> {
    const set = await known(fresh);
    if (set.signs[alg] !== undefined) return set;
    making ??= first().finally(() => {
      making = undefined;
    });
    return making;
  }

  function verifierOf({ kid, alg, jwk }: PublicKey): Promise<SigningKey> {
    const found = verifiers.get(kid) ?? importJWK(jwk, alg).then((key) => ({ kid, alg, key: key as CryptoKey }));
    verifiers.set(kid, found);
    return found;
  }

  async function signerOf({ kid, alg }: PublicKey): Promise<SigningKey> {
    const found = signers.get(kid);
    if (found !== undefined) return found;
    const jwk = await privates.get(kid);
    // Another gateway may have withdrawn it since the set was read.
    if (jwk === undefined) throw new StoreUnavailable(`the signing key ${kid} is not in the store`);
    const imported = importJWK(jwk, alg).then((key) => ({ kid, alg, key: key as CryptoKey }));
    signers.set(kid, imported);
    return imported;
  }

  const isSigning = (kid: string, { signs }: KeySet) => {
    const current = signs[alg];
    if (current === undefined) return false;
    return kid === (current.before !== undefined && seconds() < current.since ? current.before : current.kid);
  };
  const find = ({ keys }: KeySet, kid: string) => keys.find((key) => key.kid === kid);
  const info = ({ jwk: _, ...key }: PublicKey, set: KeySet): KeyInfo => ({ ...key, signs: isSigning(key.kid, set) });

  // Behind what the start has still to do. What went wrong is told to whoever needs a key.
  setImmediate(() => prepared().catch(() => undefined));

  return {
    async signer(expiresAt) {
      const set = await prepared();
      const current = set.keys.find(({ kid }) => isSigning(kid, set));
      if (current === undefined) throw new Error('the store has no key to sign with');
      const { kid, neededUntil } = current;
      // A token that outlives the usual one keeps its key published as long.
      if (expiresAt > Math.max(neededUntil, seconds() + tokenLifetime))
        await change(({ keys, signs }) => ({
          keys: keys.map((key) => (key.kid === kid ? { ...key, neededUntil: expiresAt } : key)),
          signs,
        }));
      return signerOf(current);
    },
    async verifier(kid) {
      // A kid that no thumbprint looks like is not worth asking the store for.
      if (!/^[A-Za-z0-9_-]{43}$/.test(kid)) return undefined;
      // One that the copy does not have may have been made since.
      const found = find(await known(), kid) ?? find(await known(true), kid);
      return found && verifierOf(found);
    },
    isKnown(kid) {
      if (copy?.found === undefined || performance.now() - copy.askedAt >= copyLifetime) return false;
      return find(copy.found, kid) !== undefined;
    },
    async published() {
      return { keys: (await prepared(false)).keys.map(({ jwk }) => jwk) };
    },
    async list() {
      const set = await prepared();
      return set.keys.map((key) => info(key, set)).sort((a, b) => b.createdAt - a.createdAt);
    },
    async rotate({ compromised = false } = {}) {
      const { made, privateJwk } = await make();
      let former: readonly PublicKey[] = [];
      const set = await change(async (found) => {
        await privates.set(made.kid, privateJwk);
        former = found.keys;
        if (compromised) return { keys: [made], signs: { [alg]: { kid: made.kid, since: seconds() } } };
        const before = found.keys.find(({ kid }) => isSigning(kid, found))?.kid;
        const since = seconds() + (before === undefined ? 0 : publishAhead);
        const retired = found.keys.map((key) =>
          key.retiredAt !== undefined && key.kid !== before
            ? key
            : { ...key, retiredAt: since, neededUntil: Math.max(key.neededUntil, since + tokenLifetime) },
        );
        const current = { kid: made.kid, since, ...(before !== undefined && { before }) };
        return { keys: [...retired, made], signs: { [alg]: current } };
      });
      // Only the public halves are needed any longer, at once or when the successor signs.
      for (const { kid } of former) {
        const jwk = await privates.get(kid);
        if (compromised) await privates.delete(kid);
        else if (jwk !== undefined) await privates.set(kid, jwk, { ttl: publishAhead + margin, only: 'present' });
      }
      return info(made, set);
    },
  };
}

/** RFC 7517 §4: the public members and what they are for. */
function publicHalf({ kty, n, e, crv, x, y }: JWK, kid: string, alg: SigningAlgorithm): JWK {
  const members = kty === 'RSA' ? { n, e } : kty === 'EC' ? { crv, x, y } : { crv, x };
  return { kty, ...members, kid, alg, use: 'sig' } as JWK;
}
