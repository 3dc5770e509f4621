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
