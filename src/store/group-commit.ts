/** Writes that come together are committed together: one sync of the disk for all of them. */

import type { DatabaseSync } from 'node:sqlite';
import { isBusy, plainly } from './database-file.ts';
import { StoreUnavailable } from './store.ts';

/** Milliseconds for another process to end its own transaction. */
const patience = 5000;
const pause = 20;
/** Writes in one transaction: what the process stands still for. */
const groupSize = 1000;
// Kept from the start, so that a test which moves the clock by hand does not stop the commits.
const atTheEndOfTheTurn = setImmediate;
const later = setTimeout;

interface Write {
  readonly run: () => unknown;
  readonly since: number;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface GroupCommit extends AsyncDisposable {
  /**
   * Runs `run` inside a transaction and answers what it answered, once that is on disk. An error of its own rejects this
   * write alone and must come before it has changed anything; one of SQLite's undoes the whole group.
   */
  write<T>(run: () => T): Promise<T>;
}

export function groupCommit(database: DatabaseSync): GroupCommit {
  let waiting: Write[] = [];
  let scheduled: Promise<void> | undefined;

  /** False where another process is writing. */
  function begin(): boolean {
    try {
      database.exec('begin immediate');
      return true;
    } catch (error) {
      if (isBusy(error)) return false;
      throw error;
    }
  }

  async function commit(): Promise<void> {
    do {
      await new Promise<void>((resolve) => atTheEndOfTheTurn(resolve));
      try {
        if (begin()) commitAll(waiting.splice(0, groupSize));
        else await waitForOther();
      } catch (error) {
        fail(waiting.splice(0), error);
      }
    } while (waiting.length > 0);
    scheduled = undefined;
  }

  function commitAll(group: readonly Write[]): void {
    try {
      const settle = group.map(({ run, resolve, reject }) => {
        try {
          const answer = run();
          return () => resolve(answer);
        } catch (error) {
          if (isOfSqlite(error)) throw error;
          return () => reject(error);
        }
      });
      database.exec('commit');
      for (const answer of settle) answer();
    } catch (error) {
      if (database.isTransaction) database.exec('rollback');
      fail(group, error);
    }
  }

  async function waitForOther(): Promise<void> {
    const overdue = Date.now() - patience;
    const tired = waiting.filter(({ since }) => since < overdue);
    waiting = waiting.filter(({ since }) => since >= overdue);
    fail(tired, new Error('another process holds it'));
    await new Promise<void>((resolve) => later(resolve, pause));
  }

  return {
    write<T>(run: () => T) {
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      waiting.push({ run, since: Date.now(), resolve: resolve as (answer: unknown) => void, reject });
      scheduled ??= commit();
      return promise;
    },
    async [Symbol.asyncDispose]() {
      await scheduled;
    },
  };
}

function fail(group: readonly Write[], error: unknown): void {
  for (const { reject } of group) reject(unavailable(error));
}

function isOfSqlite(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'ERR_SQLITE_ERROR';
}

export function unavailable(error: unknown): StoreUnavailable {
  return new StoreUnavailable(`the store's file cannot be used: ${plainly(error)}`, { cause: error });
}
