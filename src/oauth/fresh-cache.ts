/** What was fetched, for as long as its answer allows; failures are never kept (RFC 9111 §4.2). */

export interface FreshCache<T> {
  /** The value kept, or what `load` brings. Those who ask at the same time wait for the same answer. `freshFor` in seconds. */
  get(key: string, load: () => Promise<{ readonly value: T; readonly freshFor: number }>): Promise<T>;
  /** Forgets it, where it is older than that many seconds. */
  expire(key: string, age: number): void;
}

interface Kept<T> {
  readonly value: T;
  /** Milliseconds since the epoch, both. */
  readonly since: number;
  readonly until: number;
}

/** Keeps at most `capacity` values; the oldest goes first. */
export function freshCache<T>(capacity: number): FreshCache<T> {
  const kept = new Map<string, Kept<T>>();
  const loading = new Map<string, Promise<T>>();

  async function fill(key: string, load: Parameters<FreshCache<T>['get']>[1]): Promise<T> {
    try {
      const { value, freshFor } = await load();
      kept.delete(key);
      if (freshFor > 0) {
        const oldest = kept.size >= capacity ? kept.keys().next().value : undefined;
        if (oldest !== undefined) kept.delete(oldest);
        const since = Date.now();
        kept.set(key, { value, since, until: since + freshFor * 1000 });
      }
      return value;
    } finally {
      loading.delete(key);
    }
  }

  return {
    async get(key, load) {
      const found = kept.get(key);
      if (found !== undefined && Date.now() < found.until) return found.value;
      let pending = loading.get(key);
      if (pending === undefined) {
        pending = fill(key, load);
        loading.set(key, pending);
      }
      return await pending;
    },
    expire(key, age) {
      const found = kept.get(key);
      if (found !== undefined && Date.now() - found.since >= age * 1000) kept.delete(key);
    },
  };
}
