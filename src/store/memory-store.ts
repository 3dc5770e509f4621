/** The store of a single process: everything is forgotten when it ends. */

import { setImmediate } from 'node:timers/promises';
import { calendar, circle } from './calendar.ts';
import { jsonText } from './json-text.ts';
import { type Store, StoreUnavailable } from './store.ts';
import { endOf } from './time-to-live.ts';

/** What an entry takes beside its text, roughly. */
const overhead = 256;
/** Expired entries that a write takes back: more than the one it can add, so that their number can only fall. */
const sweptPerWrite = 8;
const scannedPerTurn = 10_000;

export interface MemoryStoreOptions {
  /** Characters of keys and values, counters apart. [256 Mi] */
  readonly limit?: number;
  /** The share of counters, on top of `limit`. [32 Mi] */
  readonly counterLimit?: number;
}

interface Entry {
  readonly value: unknown;
  readonly endsAt: number;
  readonly size: number;
}

/**
 * Bounded. Where a value finds no room the write rejects with `StoreUnavailable`, since forgetting another would break a
 * promise. Counters have a share of their own, in which the oldest makes room: a flood of addresses can neither crowd
 * out what was promised nor end the counting.
 */
export function memoryStore({ limit = 2 ** 28, counterLimit = 2 ** 25 }: MemoryStoreOptions = {}): Store {
  const entries = new Map<string, Entry>();
  const expiries = calendar();
  const counters = new Set<string>();
  const oldestCounter = circle(counters);
  const held = { values: 0, counters: 0 };
  let open = true;

  function remove(key: string): void {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    expiries.remove(key, entry.endsAt);
    held[counters.delete(key) ? 'counters' : 'values'] -= entry.size;
  }

  function mustBeOpen(): void {
    if (!open) throw new StoreUnavailable('the store is closed');
  }

  function live(key: string): Entry | undefined {
    mustBeOpen();
    const entry = entries.get(key);
    if (entry === undefined || entry.endsAt > Date.now()) return entry;
    remove(key);
    return undefined;
  }

  /** False where nothing more has expired. */
  function sweep(): boolean {
    const key = expiries.due(Date.now());
    if (key !== undefined) remove(key);
    return key !== undefined;
  }

  function put(key: string, entry: Entry, kind: keyof typeof held): void {
    entries.set(key, entry);
    expiries.add(key, entry.endsAt);
    held[kind] += entry.size;
    if (kind === 'counters') counters.add(key);
    for (let swept = 0; swept < sweptPerWrite && sweep(); swept += 1);
  }

  function putValue(key: string, entry: Entry): void {
    const replaced = counters.has(key) ? 0 : (entries.get(key)?.size ?? 0);
    while (held.values - replaced + entry.size > limit) {
      if (!sweep())
        throw new StoreUnavailable('the store in memory is full: configure store as "file:" or "redis://…"');
    }
    remove(key);
    put(key, entry, 'values');
  }

  function putCounter(key: string, entry: Entry): void {
    while (counters.size > 0 && held.counters + entry.size > counterLimit) {
      const oldest = oldestCounter();
      if (oldest !== undefined) remove(oldest);
    }
    put(key, entry, 'counters');
  }

  async function* keys(prefix: string): AsyncIterable<string> {
    mustBeOpen();
    let scanned = 0;
    for (const key of entries.keys()) {
      if (key.startsWith(prefix) && live(key) !== undefined) yield key;
      scanned += 1;
      if (scanned % scannedPerTurn === 0) await setImmediate();
    }
  }

  return {
    async get(key) {
      return live(key)?.value;
    },
    async set(key, value, { ttl, only } = {}) {
      const text = jsonText(value);
      const present = live(key) !== undefined;
      if (only !== undefined && present !== (only === 'present')) return false;
      putValue(key, { value: frozen(JSON.parse(text)), endsAt: endOf(ttl), size: overhead + key.length + text.length });
      return true;
    },
    async delete(key) {
      const present = live(key) !== undefined;
      remove(key);
      return present;
    },
    async increment(key, ttl) {
      const former = live(key);
      if (former === undefined) {
        putCounter(key, { value: 1, endsAt: endOf(ttl), size: overhead + key.length });
        return 1;
      }
      if (typeof former.value !== 'number') throw new TypeError('only a number can be incremented');
      const value = former.value + 1;
      entries.set(key, { ...former, value });
      return value;
    },
    keys,
    async *records(prefix) {
      mustBeOpen();
      for (const [key, { value, endsAt }] of [...entries])
        if (key.startsWith(prefix) && endsAt > Date.now())
          yield { key, value, ...(Number.isFinite(endsAt) && { endsAt }) };
    },
    async [Symbol.asyncDispose]() {
      open = false;
      entries.clear();
      counters.clear();
    },
  };
}

/** Frozen through and through, so that one object can be handed to every reader. */
function frozen(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(frozen);
  return value;
}
