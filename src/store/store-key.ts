/** The secret that seals private keys in the store, where the configuration gives none: a file beside the state. */

import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Read, or made with mode 0600. Throws one sentence for the operator where it is not safe or cannot be used. */
export function storeKeyFile(path: string): string {
  try {
    return read(path) ?? make(path);
  } catch (error) {
    throw new Error(`store: the key file ${path} cannot be used: ${(error as Error).message}`);
  }
}

function read(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  if ((found.mode & 0o077) !== 0) throw new Error(`others may read it; run: chmod 600 ${path}`);
  const secret = readFileSync(path, 'utf8').trim();
  if (secret.length < 32) throw new Error('it is damaged; restore it, or restore the store from a backup');
  return secret;
}

/** Appears whole or not at all; of two processes that begin at once, both take the first one's. */
function make(path: string): string {
  const fresh = `${path}.${randomBytes(6).toString('hex')}`;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(fresh, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx', flush: true });
  try {
    linkSync(fresh, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(fresh);
  }
  return read(path) ?? '';
}
