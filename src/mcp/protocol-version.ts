/** The revisions that the legacy transports speak. */

const revisions = ['2024-10-07', '2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'];

export const latest = '2025-11-25';

/** Revisions are dates, so they compare as text. */
export const isLegacy = (version: string): boolean => revisions.includes(version);

/** The only revision with JSON-RPC batches (2025-06-18 changelog: removed). */
export const hasBatches = (version: string | undefined): boolean => version === '2025-03-26';

/** 2025-11-25 transports: an event with an id and no data may come first; older clients take it for broken JSON. */
export const primes = (version: string | undefined): boolean =>
  version !== undefined && version >= '2025-11-25' && isDate(version);

const isDate = (version: string) => /^\d{4}-\d{2}-\d{2}$/.test(version);
