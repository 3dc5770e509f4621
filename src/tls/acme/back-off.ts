/** How long a failed order waits: never a hot loop, however often the gateway starts. */

import type { AcmeProblem } from './problem.ts';

const minutes = [1, 2, 2, 5, 10, 10, 10, 20, 20, 30, 30, 60, 60, 120, 180, 360];
/** Seconds; after a month of trying the wait stays at six hours. */
const longestWait = 31 * 86_400;

/** Seconds until the next try after so many failures in a row, at least as long as the issuer asked for. */
export function waitAfter(failures: number, problem: Pick<AcmeProblem, 'retryAfter'>): number {
  const own = (minutes[Math.min(failures, minutes.length) - 1] ?? 1) * 60;
  // Spread by a tenth, so that many hosts do not return as one.
  return Math.min(Math.max(own * (1 + Math.random() / 10), problem.retryAfter ?? 0), longestWait);
}
