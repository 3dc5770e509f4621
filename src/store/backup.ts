/** A store as text that another store, of whatever kind, takes back: one JSON value a line. */

import type { Store, StoredRecord } from './store.ts';

/** What is of use for a moment only, or to one gateway only. */
const momentary = new Set([
  'acme-challenge',
  'certificate-lease',
  'client-assertion',
  'code',
  'code-redeemed',
  'device',
  'device-guesses',
  'device-hasty',
  'device-polls',
  'device-user-code',
  'gateway',
  'lock',
  'login-attempts',
  'login-failures',
  'login-state',
  'login-wait',
  'pending',
  'registrations-per-day',
  'registrations-per-minute',
  'store-key',
  'tls-ticket-keys',
]);

/** As much of a store as a backup needs. */
export type KeptRecords = Pick<Store, 'keys' | 'records' | 'set' | 'delete'> & AsyncDisposable;

const kindOf = (key: string) => key.slice(0, key.indexOf(':'));

interface Heading {
  readonly format: 'mcp-gateway backup';
  readonly version: 1;
  readonly createdAt: string;
}

/** Lines with their ends: a heading, the records, and their number. Private keys are in the clear. */
export async function* backupLines(store: KeptRecords): AsyncIterable<string> {
  const heading: Heading = { format: 'mcp-gateway backup', version: 1, createdAt: new Date().toISOString() };
  yield `${JSON.stringify(heading)}\n`;
  let records = 0;
  for await (const record of store.records('')) {
    if (momentary.has(kindOf(record.key))) continue;
    records += 1;
    yield `${JSON.stringify(record)}\n`;
  }
  yield `${JSON.stringify({ records })}\n`;
}

/** The records of a whole backup. Throws what is wrong with it, before anything is written. */
export function readBackup(text: string): StoredRecord[] {
  const lines = text.trimEnd().split('\n').map(parsed);
  const [heading, ...rest] = lines;
  const { format, version } = (heading ?? {}) as Partial<Heading>;
  if (format !== 'mcp-gateway backup') throw new Error('is not a backup of mcp-gateway');
  if (version !== 1) throw new Error('was made by a newer version of mcp-gateway');
  const { records: count } = (rest.pop() ?? {}) as { records?: number };
  if (count !== rest.length) throw new Error('is cut short or changed: the number of its records is wrong');
  for (const [index, record] of rest.entries())
    if (!isRecord(record)) throw new Error(`has a damaged record in line ${index + 2}`);
  return rest as StoredRecord[];
}

/** Writes what has not ended meanwhile. Answers how many of each kind. */
export async function restoreRecords(
  store: KeptRecords,
  records: readonly StoredRecord[],
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const { key, value, endsAt } of records) {
    // Absolute times: an old backup does not lengthen anything's life.
    const ttl = endsAt === undefined ? undefined : (endsAt - Date.now()) / 1000;
    if (ttl !== undefined && ttl <= 0) continue;
    await store.set(key, value, ttl === undefined ? {} : { ttl });
    counts.set(kindOf(key), (counts.get(kindOf(key)) ?? 0) + 1);
  }
  return counts;
}

/** Whether it has nothing yet that a restore could clash with. */
export async function isFresh(store: KeptRecords): Promise<boolean> {
  for await (const key of store.keys('')) if (!momentary.has(kindOf(key))) return false;
  return true;
}

export async function clear(store: KeptRecords): Promise<void> {
  for await (const key of store.keys('')) if (kindOf(key) !== 'store-key') await store.delete(key);
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isRecord(record: unknown): record is StoredRecord {
  const { key, value, endsAt } = (record ?? {}) as Partial<StoredRecord>;
  return (
    typeof key === 'string' &&
    key.includes(':') &&
    value !== undefined &&
    (endsAt === undefined || Number.isFinite(endsAt))
  );
}
