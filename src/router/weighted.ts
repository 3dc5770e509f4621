/** Which of several servers is next: each as often as its weight says, and spread out rather than in runs. */

export interface Weighted {
  readonly weight: number;
}

/**
 * Smooth weighted round robin: with weights 5, 1, 1 the order is a a b a c a a. A server that is left out for a while
 * comes back without a burst, since only those that stand to choose gain.
 */
export function weightedRoundRobin<T extends Weighted>(): (among: readonly T[]) => T | undefined {
  const credit = new Map<T, number>();
  return (among) => {
    let best: T | undefined;
    let most = 0;
    let total = 0;
    for (const each of among) {
      if (each.weight === 0) continue;
      total += each.weight;
      const has = (credit.get(each) ?? 0) + each.weight;
      credit.set(each, has);
      if (best === undefined || has > most) {
        best = each;
        most = has;
      }
    }
    if (best !== undefined) credit.set(best, most - total);
    return best;
  };
}

/** Of two at random the one with fewer requests under way, for its weight: as good as asking all, and no herd runs to one. */
export function fewerInFlight<T extends Weighted & { readonly busy: number }>(
  random: () => number = Math.random,
): (among: readonly T[]) => T | undefined {
  return (among) => {
    const able = among.filter(({ weight }) => weight > 0);
    const at = Math.floor(random() * able.length);
    const [first] = able.splice(at, 1);
    const second = able[Math.floor(random() * able.length)];
    if (first === undefined || second === undefined) return first;
    return second.busy / second.weight < first.busy / first.weight ? second : first;
  };
}
