/** What was read a moment ago is good for a moment more while the store is away, so that calls under way go on. */

import { type Store, StoreUnavailable } from './store.ts';

/** Milliseconds after the last read: for so long a revocation elsewhere can stay unseen, and only while the store is away. */
export const graceTime = 10_000;
const mostRemembered = 10_000;

/** Milliseconds in which a key that is read again does not move to the end of the line. */
const settled = 1000;

interface Read {
  value: unknown;
  at: number;
  readonly since: number;
}

/** Remembers `kind` of records. The store is asked every time; only where it cannot answer is the memory used. */
export function rememberingReads(store: Store, kind: string): Store {
  const prefix = `${kind}:`;
  const reads = new Map<string, Read>();

  function remember(key: string, value: unknown): void {
    const at = Date.now();
    const known = reads.get(key);
    if (known !== undefined && value !== undefined && at - known.since < settled) {
      known.value = value;
      known.at = at;
      return;
    }
    reads.delete(key);
    if (value === undefined) return;
    reads.set(key, { value, at, since: at });
    if (reads.size <= mostRemembered) return;
    const [oldest = ''] = reads.keys();
    reads.delete(oldest);
  }

  async function forgetting<T>(key: string, write: () => Promise<T>): Promise<T> {
    reads.delete(key);
    try {
      return await write();
    } finally {
      // A read that began before the write may have been remembered while it ran.
      reads.delete(key);
    }
  }

  return {
    ...store,
    async get(key) {
      if (!key.startsWith(prefix)) return store.get(key);
      try {
        const value = await store.get(key);
        remember(key, value);
        return value;
      } catch (error) {
        const read = reads.get(key);
        if (error instanceof StoreUnavailable && read !== undefined && Date.now() - read.at < graceTime)
          return read.value;
        throw error;
      }
    },
    set: (key, value, options) => forgetting(key, () => store.set(key, value, options)),
    delete: (key) => forgetting(key, () => store.delete(key)),
  };
}
