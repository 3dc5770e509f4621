/**
 * A map of what comes and goes under numbers that only rise. Not a Map: each table that V8 leaves behind points to the
 * next one, and the first that has grown old keeps all that was in them since until the old are collected.
 */
export interface RisingMap<T> {
  /** `key` is higher than all before it. */
  set(key: number, value: T): void;
  get(key: number): T | undefined;
  /** False where it was not there. */
  delete(key: number): boolean;
  /** As they are now, the oldest first. */
  values(): readonly T[];
  size(): number;
  clear(): void;
}

export function risingMap<T>(): RisingMap<T> {
  const keys: number[] = [];
  const items: T[] = [];

  const placeOf = (key: number): number => {
    let low = 0;
    let high = keys.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const found = keys[middle] ?? 0;
      if (found === key) return middle;
      if (found < key) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  };

  return {
    set(key, value) {
      keys.push(key);
      items.push(value);
    },
    get(key) {
      const at = placeOf(key);
      return at < 0 ? undefined : items[at];
    },
    delete(key) {
      const at = placeOf(key);
      if (at < 0) return false;
      keys.splice(at, 1);
      items.splice(at, 1);
      return true;
    },
    values: () => [...items],
    size: () => items.length,
    clear() {
      keys.length = 0;
      items.length = 0;
    },
  };
}
