/** `backup`: clients, grants, keys and certificates in one file that only its owner may read. */

import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { backupLines } from '../store/backup.ts';
import { fileFault } from './named-file.ts';
import { storeOf } from './store-of.ts';

/** Characters. */
const writtenAtOnce = 65_536;

export async function backup(file: string, options: { config?: string; json?: true }): Promise<void> {
  await using store = await storeOf(options);
  const fresh = `${file}.${randomBytes(6).toString('hex')}`;
  let lines = 0;
  try {
    await using handle = await create(fresh, file);
    let waiting = '';
    for await (const line of backupLines(store)) {
      lines += 1;
      waiting += line;
      if (waiting.length < writtenAtOnce) continue;
      await handle.writeFile(waiting);
      waiting = '';
    }
    await handle.writeFile(waiting);
    await handle.sync();
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
  // The former backup stays until the new one is whole.
  await rename(fresh, file);
  const records = lines - 2;
  if (options.json) process.stdout.write(`${JSON.stringify({ file, records }, null, 2)}\n`);
  else process.stdout.write(`${records} records in ${file}; it holds private keys in the clear, keep it safe\n`);
}

async function create(path: string, wanted: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    throw new Error(`${wanted} cannot be written: ${fileFault(error)}`, { cause: error });
  }
}
