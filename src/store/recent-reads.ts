/** What was read a moment ago is good for a moment more: for the next request, and longer while the store is away. */

import { type Store, StoreUnavailable } from './store.ts';

/** Milliseconds after the last read: for so long a revocation elsewhere can stay unseen, and only while the store is away. */
export const graceTime = 10_000;
const mostRemembered = 10_000;

/** Milliseconds after a read for which the next asks nobody: for so long a revocation by another gateway can stay unseen. */
const fresh = 500;
/** Milliseconds in which a key that is read again does not move to the end of the line. */
const settled = 1000;

interface Read {
  value: unknown;
  at: number;
  readonly since: number;
}

/**
 * Remembers `kind` of records. `get` asks the store every time, and only where it cannot answer is the memory used; `recent`
 * is the memory, which every write of this process ends at once.
 */
export function rememberingReads(store: Store, kind: string): Store {
  const prefix = `${kind}:`;
  const reads = new Map<string, Read>();
  let writes = 0;

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
    if (!key.startsWith(prefix)) return write();
    const forget = () => {
      writes += 1;
      reads.delete(key);
    };
    forget();
    try {
      return await write();
    } finally {
      // A read that began before the write may have been remembered while it ran.
      forget();
    }
  }

  return {
    ...store,
    recent(key) {
      const read = reads.get(key);
      return read !== undefined && Date.now() - read.at < fresh ? read.value : undefined;
    },
    async get(key) {
      if (!key.startsWith(prefix)) return store.get(key);
      const before = writes;
      try {
        const value = await store.get(key);
        // What was written meanwhile may be newer than what was read.
        if (before === writes) remember(key, value);
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
