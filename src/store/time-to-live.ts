/** When a record ends. */

/** `ttl` in seconds from now → milliseconds since the epoch; without one never. Zero and less end at once. */
export function endOf(ttl: number | undefined): number {
  if (ttl === undefined) return Number.POSITIVE_INFINITY;
  if (!Number.isFinite(ttl)) throw new RangeError('a time to live is a finite number of seconds');
  return Date.now() + Math.ceil(ttl * 1000);
}
