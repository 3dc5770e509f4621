/** Finds the first matching rule of a sorted table without asking them all. */

import type { PathKey, RuleRequest } from './matchers.ts';
import type { Rule } from './rule.ts';

interface Ruled {
  readonly rule: Rule;
}

/** An entry and its place in the table: the lowest rank wins. */
interface Ranked<T> {
  readonly entry: T;
  readonly rank: number;
}

/** The entries that bind one host (or none), by what they bind of the path. Every list is in table order. */
interface Bucket<T> {
  readonly exact: Map<string, Ranked<T>[]>;
  readonly prefixes: Map<string, Ranked<T>[]>;
  /** The distinct lengths of `prefixes`. */
  readonly lengths: Set<number>;
  readonly others: Ranked<T>[];
}

/** Cost grows with the rules that one host and path leave open, not with the number of hosts. */
export function routeIndex<T extends Ruled>(table: readonly T[]): (request: RuleRequest) => T | undefined {
  const byHost = new Map<string, Bucket<T>>();
  const anyHost = bucket<T>();
  for (const [rank, entry] of table.entries()) {
    const { hosts, paths } = entry.rule;
    for (const host of hosts ?? [undefined]) {
      const place = host === undefined ? anyHost : getOrMake(byHost, host, bucket<T>);
      file(place, paths, { entry, rank });
    }
  }
  return (request) => {
    let best = firstIn(anyHost, request, undefined);
    const named = byHost.get(request.host);
    if (named) best = firstIn(named, request, best);
    const dot = request.host.indexOf('.');
    const wildcard = dot > 0 ? byHost.get(`*${request.host.slice(dot)}`) : undefined;
    if (wildcard) best = firstIn(wildcard, request, best);
    return best?.entry;
  };
}

function bucket<T>(): Bucket<T> {
  return { exact: new Map(), prefixes: new Map(), lengths: new Set(), others: [] };
}

function file<T>(place: Bucket<T>, paths: readonly PathKey[] | undefined, ranked: Ranked<T>): void {
  if (!paths) {
    place.others.push(ranked);
    return;
  }
  for (const { kind, path } of paths) {
    getOrMake(kind === 'exact' ? place.exact : place.prefixes, path, () => []).push(ranked);
    if (kind === 'prefix') place.lengths.add(path.length);
  }
}

function firstIn<T extends Ruled>(
  place: Bucket<T>,
  request: RuleRequest,
  best: Ranked<T> | undefined,
): Ranked<T> | undefined {
  let found = firstOf(place.others, request, best);
  found = firstOf(place.exact.get(request.path), request, found);
  for (const length of place.lengths) {
    if (length > request.path.length) continue;
    found = firstOf(place.prefixes.get(request.path.slice(0, length)), request, found);
  }
  return found;
}

function firstOf<T extends Ruled>(
  list: readonly Ranked<T>[] | undefined,
  request: RuleRequest,
  best: Ranked<T> | undefined,
): Ranked<T> | undefined {
  if (!list) return best;
  for (const ranked of list) {
    if (best && ranked.rank >= best.rank) return best;
    if (ranked.entry.rule.matches(request)) return ranked;
  }
  return best;
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
