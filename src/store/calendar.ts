/** Keys by the second in which they end: the expired are found without looking at the living. */

export interface Calendar {
  /** `endsAt` in milliseconds since the epoch; Infinity is never due. */
  add(key: string, endsAt: number): void;
  /** `endsAt` as it was added. */
  remove(key: string, endsAt: number): void;
  /** A key that has ended by `now` and is not yet removed, if there is one. */
  due(now: number): string | undefined;
}

export function calendar(): Calendar {
  const seconds = new Map<number, Set<string>>();
  let reached = Math.floor(Date.now() / 1000);
  let walk: (() => string | undefined) | undefined;
  // What is added late (a clock set back) belongs to the second that is looked at next.
  const secondOf = (endsAt: number) => Math.max(Math.ceil(endsAt / 1000), reached);

  return {
    add(key, endsAt) {
      if (endsAt === Number.POSITIVE_INFINITY) return;
      const second = secondOf(endsAt);
      const keys = seconds.get(second);
      if (keys === undefined) seconds.set(second, new Set([key]));
      else keys.add(key);
    },
    remove(key, endsAt) {
      seconds.get(secondOf(endsAt))?.delete(key);
    },
    due(now) {
      for (; reached * 1000 <= now; reached += 1) {
        const keys = seconds.get(reached);
        if (keys === undefined) continue;
        walk ??= circle(keys);
        const key = walk();
        if (key !== undefined) return key;
        walk = undefined;
        seconds.delete(reached);
      }
      return undefined;
    },
  };
}

/**
 * Members of a changing set in turn, beginning anew at the end; undefined while it is empty. One iterator is kept because
 * a fresh one steps over every member deleted since the set was last compacted.
 */
export function circle<T>(set: ReadonlySet<T>): () => T | undefined {
  let members = set.values();
  return () => {
    let next = members.next();
    if (next.done) {
      members = set.values();
      next = members.next();
    }
    return next.value;
  };
}
