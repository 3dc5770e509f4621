/** The gateway's shared memory: what must survive a request, a restart or the death of one of several gateways. */

/**
 * Contract, held by every implementation (test/support/store-contract.ts):
 * - Each verb is atomic. Concurrent verbs on one key happen in some order; none is lost.
 * - A promise that resolved is durable to the degree the implementation promises: `memory:` until the process ends,
 *   `file:` and `redis:` beyond it.
 * - A key is gone at the moment its time to live ends, whether or not its memory has been taken back yet.
 * - Values are JSON, copied on the way in. What comes out is not to be changed: it may be frozen and shared between readers.
 * - A verb rejects with `StoreUnavailable` where the store cannot be reached, has no room left or is closed, within 5 s; it
 *   never waits without bound. A write that rejected may have happened.
 */
export interface Store extends AsyncDisposable {
  get(key: string): Promise<unknown>;
  /** As it was read less than a second ago, if nothing was written to it here since; undefined where it must be asked for. */
  recent?(key: string): unknown;
  /**
   * `ttl` in seconds, zero and less ending at once; without it the key stays until deleted, and a former time to live ends.
   * `only: 'absent'` makes the write a claim, `only: 'present'` a renewal that cannot bring back what was deleted:
   * false where the condition did not hold and nothing was written.
   */
  set(key: string, value: unknown, options?: { ttl?: number; only?: 'absent' | 'present' }): Promise<boolean>;
  /** True for exactly one caller: the one whose call removed the key. */
  delete(key: string): Promise<boolean>;
  /**
   * Adds one and answers the new count. A counter begins at the first call and ends `ttl` seconds after that one; `get`
   * reads it, and anything but a number under the key is a TypeError. A store short of room may forget the oldest counters.
   */
  increment(key: string, ttl: number): Promise<number>;
  /** Live keys with this prefix, in no order; keys written meanwhile may or may not appear. */
  keys(prefix: string): AsyncIterable<string>;
  /**
   * Live records whole. `memory:` and `file:` answer them as they are at one moment; in `redis:` what takes another's place
   * meanwhile, as refresh tokens do, is answered too.
   */
  records(prefix: string): AsyncIterable<StoredRecord>;
}

export interface StoredRecord {
  readonly key: string;
  readonly value: unknown;
  /** Milliseconds since the epoch; absent for what stays until deleted. */
  readonly endsAt?: number;
}

/** The store could not be asked. What needs it answers 503 with Retry-After. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

/** Why the store cannot be used now, if so. */
export async function ailmentOf(store: Store): Promise<string | undefined> {
  try {
    await store.get('readyz');
    return undefined;
  } catch (error) {
    if (error instanceof StoreUnavailable) return error.message;
    throw error;
  }
}

/** One kind of record under its own prefix. */
export interface Collection<T> {
  get(id: string): Promise<T | undefined>;
  /** See `Store`. */
  recent(id: string): T | undefined;
  set(id: string, value: T, options?: { ttl?: number; only?: 'absent' | 'present' }): Promise<boolean>;
  delete(id: string): Promise<boolean>;
  ids(): AsyncIterable<string>;
  /** Of the ids with this prefix. */
  values(prefix?: string): AsyncIterable<T>;
}

/** `prefix` without its colon; every one of them is listed in docs/storage.md. */
export function collection<T>(store: Store, prefix: string): Collection<T> {
  const start = `${prefix}:`;
  return {
    get: (id) => store.get(start + id) as Promise<T | undefined>,
    recent: (id) => store.recent?.(start + id) as T | undefined,
    set: (id, value, options) => store.set(start + id, value, options),
    delete: (id) => store.delete(start + id),
    async *ids() {
      for await (const key of store.keys(start)) yield key.slice(start.length);
    },
    async *values(prefix = '') {
      for await (const { value } of store.records(start + prefix)) yield value as T;
    },
  };
}
