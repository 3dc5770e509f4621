/**
 * Runs in turn, A, B, B, A and so on, so that what the machine does meanwhile befalls all alike, and so does standing idle
 * while the others run.
 */

export interface Contender<T> {
  readonly name: string;
  run(): Promise<T>;
}

/** What each gave, round by round; one run of each before that is not counted. */
export async function inTurn<T>(
  contenders: readonly Contender<T>[],
  rounds: number,
): Promise<Map<string, readonly T[]>> {
  const results = new Map<string, T[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const { name, run } of round % 2 === 0 ? contenders : contenders.toReversed()) {
      const result = await run();
      if (round > 0) results.get(name)?.push(result);
    }
  }
  return results;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [below = Number.NaN, above = Number.NaN] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]];
  return (below + above) / 2;
}

export interface Ratio {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** One run of ours by the run of theirs beside it. */
export function ratioOf<T>(ours: readonly T[], theirs: readonly T[], value: (of: T) => number): Ratio {
  const ratios = ours.flatMap((each, round) => {
    const other = theirs[round];
    return other === undefined ? [] : [value(each) / value(other)];
  });
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}
