/** `restore`: a backup into the store of the configuration, of whatever kind either is. */

import { importRegistrations, isFormerBackup } from '../oauth/former-backup.ts';
import { clear, isFresh, readBackup, restoreRecords } from '../store/backup.ts';
import { textOf } from './named-file.ts';
import { storeOf } from './store-of.ts';
import { progress } from './terminal.ts';

export async function restore(file: string, options: { config?: string; replace?: true; json?: true }): Promise<void> {
  const text = textOf(file);
  const records = recordsOf(file, text);
  await using store = await storeOf(options);
  if (options.replace) await clear(store);
  // What another system left is added to what there is; a backup of our own is the whole.
  else if (!isFormerBackup(text) && !(await isFresh(store)))
    throw new Error('the store is not empty; say --replace to delete what it has before the backup is restored');
  progress(`Restoring ${records.length} records …`);
  const counts = await restoreRecords(store, records);
  if (options.json) process.stdout.write(`${JSON.stringify(Object.fromEntries(counts), null, 2)}\n`);
  else for (const [kind, count] of [...counts].sort()) process.stdout.write(`${kind}: ${count}\n`);
  if (counts.size === 0) throw new Error(`nothing of ${file} was restored: it is empty, or all of it has ended since`);
}

function recordsOf(file: string, text: string): ReturnType<typeof readBackup> {
  try {
    return isFormerBackup(text) ? importRegistrations(text, Date.now()) : readBackup(text);
  } catch (error) {
    throw new Error(`${file} ${(error as Error).message}`, { cause: error });
  }
}
