/** When a command that keeps failing may be tried again. Pure: times in, a verdict out. */

const window = 300;
const longest = 30;
const most = 10;

export interface Verdict {
  /** Seconds until the next try; 0 is now. */
  readonly wait: number;
  /** It failed so often that it is left alone until the first of its failures is five minutes old. */
  readonly stopped: boolean;
}

/** `failures` and `now` in seconds, oldest first. The first failure is forgiven, then 1, 2, 4 … 30 s. */
export function backoff(failures: readonly number[], now: number): Verdict {
  const recent = recentFailures(failures, now);
  const last = recent.at(-1);
  if (last === undefined) return { wait: 0, stopped: false };
  const start = recent.at(-most);
  if (start !== undefined) return { wait: start + window - now, stopped: true };
  const delay = recent.length === 1 ? 0 : Math.min(2 ** (recent.length - 2), longest);
  return { wait: Math.max(0, last + delay - now), stopped: false };
}

/** Those that still count. */
export function recentFailures(failures: readonly number[], now: number): readonly number[] {
  return failures.filter((time) => time > now - window).slice(-most);
}
