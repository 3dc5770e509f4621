/** The SQLite file behind `file:`: found or made, private, whole, and of the present schema. */

import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** "MCPG": tells the file from any other program's database. */
const applicationId = 0x4d435047;

/** Each brings the schema from its index to the next version; none is ever edited. */
const migrations = [
  `create table records (key text not null primary key, value text not null, ends_at integer) strict;
   create index records_by_end on records (ends_at) where ends_at is not null;`,
];

/** Milliseconds for other processes that open it at the same time, and between two tries. */
const patience = 5000;
const pause = 20;

/** An Error of one sentence where the file cannot be used as it is. */
export function openDatabase(path: string): DatabaseSync {
  for (const until = Date.now() + patience; ; ) {
    try {
      return opened(path);
    } catch (error) {
      // SQLite's own timeout does not cover the change to WAL mode, which each of those who make the file waits for.
      if (!(error instanceof Error && isBusy(error.cause)) || Date.now() > until) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
    }
  }
}

function opened(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    makePrivate(path);
    // Short, since it stops the whole process: the waiting for another writer is done between attempts.
    database = new DatabaseSync(path, { timeout: 250 });
    // In WAL mode FULL alone syncs every commit; NORMAL would lose the last ones with the power.
    database.exec(`
      pragma journal_mode = wal;
      pragma synchronous = full;
      pragma fullfsync = on;
      pragma journal_size_limit = 16777216;
      pragma trusted_schema = off;`);
    migrate(database);
    if (database.prepare('pragma quick_check(1)').get()?.quick_check !== 'ok') throw new Error(faults[11]);
    return database;
  } catch (error) {
    database?.close();
    throw new Error(`store: ${path} cannot be opened: ${plainly(error)}`, { cause: error });
  }
}

/** Only its owner may read it. SQLite gives the files beside it (-wal, -shm) the same mode. */
function makePrivate(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
}

function migrate(database: DatabaseSync): void {
  const pragma = (name: string) => Number(Object.values(database.prepare(`pragma ${name}`).get() ?? {})[0]);
  database.exec('begin immediate');
  try {
    const version = pragma('user_version');
    if (pragma('application_id') !== applicationId && (version !== 0 || pragma('schema_version') !== 0))
      throw new Error('it is the database of another program');
    if (version > migrations.length) throw new Error('it was written by a newer version of this program');
    for (const migration of migrations.slice(version)) database.exec(migration);
    database.exec(`pragma application_id = ${applicationId}; pragma user_version = ${migrations.length}; commit`);
  } catch (error) {
    if (database.isTransaction) database.exec('rollback');
    throw error;
  }
}

const notOurs = 'the user who runs this may not write it; give it to that user with chown, and its directory too';
const faults: Readonly<Record<number | string, string>> = {
  5: 'another process holds it',
  8: notOurs,
  10: 'the disk is full or reports an error',
  11: 'it is damaged; restore it from a backup or move it away to begin anew',
  13: 'the disk is full',
  14: notOurs,
  EACCES: notOurs,
  EPERM: notOurs,
  EISDIR: 'it is a directory; name a file in it',
  EROFS: 'its file system is read-only',
  ENOSPC: 'the disk is full',
  26: 'it is not a database, or its beginning is damaged; restore it from a backup or move it away to begin anew',
};

export function isBusy(error: unknown): boolean {
  const { code, errcode } = error as { code?: unknown; errcode?: number };
  return code === 'ERR_SQLITE_ERROR' && (errcode ?? 0) % 256 === 5;
}

/** What an operator has to know of an error of SQLite's. */
export function plainly(error: unknown): string {
  const { errcode, code = '', message } = error as { errcode?: number; code?: string; message?: string };
  // The low byte is the kind; the rest says where in SQLite it happened.
  return faults[errcode === undefined ? code : errcode & 0xff] ?? message ?? String(error);
}
