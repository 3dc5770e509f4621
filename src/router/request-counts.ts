/** How many requests were answered since the start, by the class of their status. */

import type { AccessRecord } from './access-log.ts';

export interface RequestCounts {
  readonly total: number;
  /** `2xx`, `4xx` and so on; what was never answered counts as `aborted`. */
  readonly byStatus: Readonly<Record<string, number>>;
}

/** One counter for all entrypoints; `observe` is told of every request. */
export function requestCounts(): { observe(record: AccessRecord): void; counts(): RequestCounts } {
  const byStatus: Record<string, number> = {};
  let total = 0;
  return {
    observe({ status }) {
      const kind = status >= 100 ? `${Math.floor(status / 100)}xx` : 'aborted';
      byStatus[kind] = (byStatus[kind] ?? 0) + 1;
      total += 1;
    },
    counts: () => ({ total, byStatus: { ...byStatus } }),
  };
}
