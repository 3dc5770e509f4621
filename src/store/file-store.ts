/** The store of one host: a SQLite file, synced to disk before anything is promised. */

import { DatabaseSync } from 'node:sqlite';
import { openDatabase } from './database-file.ts';
import { groupCommit, unavailable } from './group-commit.ts';
import { jsonText } from './json-text.ts';
import { type Store, StoreUnavailable } from './store.ts';
import { endOf } from './time-to-live.ts';

const sweepEvery = 10_000;
const sweptAtOnce = 500;
const keysAtOnce = 500;

const alive = '(ends_at is null or ends_at > :now)';
const listed = `select * from records where key >= :key and ${alive} order by key`;
const upsert = `insert into records (key, value, ends_at) values (:key, :value, :end)
  on conflict (key) do update set value = excluded.value, ends_at = excluded.ends_at`;

/**
 * `path` is made where it is missing. Other processes on this host may have it open too. Nothing is cached, so what they
 * write is seen at once. Reads and writes happen on the event loop: a write stops it for one sync of the disk, which all
 * writes of that turn share.
 */
export function fileStore(path: string): Store {
  const database = openDatabase(path);
  const statements = {
    get: database.prepare(`select value from records where key = :key and ${alive}`),
    set: database.prepare(upsert),
    claim: database.prepare(`${upsert} where records.ends_at <= :now`),
    renew: database.prepare(`update records set value = :value, ends_at = :end where key = :key and ${alive}`),
    count: database.prepare('update records set value = :value where key = :key'),
    delete: database.prepare(`delete from records where key = :key and ${alive}`),
    from: database.prepare(`select key from records where key >= :key and ${alive} order by key limit ${keysAtOnce}`),
    after: database.prepare(`select key from records where key > :key and ${alive} order by key limit ${keysAtOnce}`),
    expired: database.prepare('select 1 from records where ends_at <= :now limit 1'),
    sweep: database.prepare(`delete from records where key in
      (select key from records where ends_at <= :now order by ends_at limit ${sweptAtOnce})`),
  };
  const commits = groupCommit(database);
  let open = true;

  function read<T>(query: () => T): T {
    if (!open) throw new StoreUnavailable('the store is closed');
    try {
      return query();
    } catch (error) {
      throw unavailable(error);
    }
  }

  async function write<T>(run: () => T): Promise<T> {
    if (!open) throw new StoreUnavailable('the store is closed');
    return commits.write(run);
  }

  function valueAt(key: string): unknown {
    const row = statements.get.get({ key, now: Date.now() });
    return row === undefined ? undefined : JSON.parse(String(row.value));
  }

  async function* keys(prefix: string): AsyncIterable<string> {
    let query = statements.from;
    let key = prefix;
    for (;;) {
      const page = read(() => query.all({ key, now: Date.now() }));
      for (const row of page) {
        key = String(row.key);
        if (!key.startsWith(prefix)) return;
        yield key;
      }
      if (page.length < keysAtOnce) return;
      query = statements.after;
    }
  }

  async function sweep(): Promise<void> {
    try {
      while (open && statements.expired.get({ now: Date.now() }) !== undefined)
        await commits.write(() => statements.sweep.run({ now: Date.now() }));
    } catch {
      // A store in trouble tells those who need it; the expired are hidden anyway and wait for the next round.
    }
  }
  const sweeper = setInterval(sweep, sweepEvery).unref();

  return {
    async get(key) {
      return read(() => valueAt(key));
    },
    async set(key, value, { ttl, only } = {}) {
      const record = { key, value: jsonText(value), end: nullable(endOf(ttl)) };
      const changed = await write(() => {
        const now = Date.now();
        if (only === 'absent') return statements.claim.run({ ...record, now }).changes;
        if (only === 'present') return statements.renew.run({ ...record, now }).changes;
        return statements.set.run(record).changes;
      });
      return changed === 1;
    },
    async delete(key) {
      return (await write(() => statements.delete.run({ key, now: Date.now() }).changes)) === 1;
    },
    async increment(key, ttl) {
      const end = nullable(endOf(ttl));
      return write(() => {
        const former = valueAt(key);
        if (former === undefined) {
          statements.set.run({ key, value: '1', end });
          return 1;
        }
        if (typeof former !== 'number') throw new TypeError('only a number can be incremented');
        statements.count.run({ key, value: String(former + 1) });
        return former + 1;
      });
    },
    keys,
    async *records(prefix) {
      // A reader of its own sees the file as it was when it began, whatever is written meanwhile.
      using reader = read(() => new DatabaseSync(path, { readOnly: true }));
      const rows = read(() => reader.prepare(listed).iterate({ key: prefix, now: Date.now() }));
      for (;;) {
        const { done, value: row } = read(() => rows.next());
        if (done || row === undefined || !String(row.key).startsWith(prefix)) return;
        const endsAt = row.ends_at === null ? {} : { endsAt: Number(row.ends_at) };
        yield { key: String(row.key), value: JSON.parse(String(row.value)), ...endsAt };
      }
    },
    async [Symbol.asyncDispose]() {
      if (!open) return;
      open = false;
      clearInterval(sweeper);
      await commits[Symbol.asyncDispose]();
      database.close();
    },
  };
}

function nullable(end: number): number | null {
  return end === Number.POSITIVE_INFINITY ? null : end;
}
