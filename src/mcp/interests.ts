/** What the sessions on a shared child want to hear: resource subscriptions and log levels, counted by reference. */

/** RFC 5424 §6.2.1, as MCP logging orders them. */
const levels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

/** -1 where it is none. */
export const rank = (level: unknown): number => (typeof level === 'string' ? levels.indexOf(level) : -1);

export interface Interests<Seat> {
  subscribed(seat: Seat, uri: string): void;
  /** True where nobody else wants it and the server may stop. */
  unsubscribe(seat: Seat, uri: string): boolean;
  /** Who subscribed to it or to what it is a part of. */
  wanting(uri: string): readonly Seat[];
  /** The level the server has to change to; undefined where it stays. */
  setLevel(seat: Seat, level: string): string | undefined;
  hears(seat: Seat, level: unknown): boolean;
  /** What the server may stop or has to change now that this one is gone. */
  leave(seat: Seat): { readonly uris: readonly string[]; readonly level: string | undefined };
}

export function interests<Seat>(): Interests<Seat> {
  const uris = new Map<string, Set<Seat>>();
  const wanted = new Map<Seat, number>();
  let current: number | undefined;

  const change = (): string | undefined => {
    const lowest = wanted.size > 0 ? Math.min(...wanted.values()) : current;
    if (lowest === current) return undefined;
    current = lowest;
    return lowest === undefined ? undefined : levels[lowest];
  };

  const unsubscribe = (seat: Seat, uri: string): boolean => {
    const seats = uris.get(uri);
    seats?.delete(seat);
    if (seats && seats.size > 0) return false;
    uris.delete(uri);
    return true;
  };

  return {
    subscribed(seat, uri) {
      uris.set(uri, (uris.get(uri) ?? new Set()).add(seat));
    },
    unsubscribe,
    // MCP resources: an update may name a sub-resource of what was subscribed to.
    wanting(uri) {
      const seats = new Set<Seat>();
      for (const [subscribed, those] of uris) {
        if (uri === subscribed || uri.startsWith(subscribed.endsWith('/') ? subscribed : `${subscribed}/`)) {
          for (const seat of those) seats.add(seat);
        }
      }
      return [...seats];
    },
    setLevel(seat, level) {
      const wish = rank(level);
      if (wish < 0) return level;
      wanted.set(seat, wish);
      return change();
    },
    hears(seat, level) {
      const least = wanted.get(seat);
      const said = rank(level);
      return least === undefined || said < 0 || said >= least;
    },
    leave(seat) {
      const held = [...uris].filter(([, seats]) => seats.has(seat)).map(([uri]) => uri);
      wanted.delete(seat);
      return { uris: held.filter((uri) => unsubscribe(seat, uri)), level: change() };
    },
  };
}
