/** `cert import`: the accounts and certificates of a Traefik that this gateway takes the place of. */

import { loadConfig } from '../config.ts';
import { silent } from '../log.ts';
import { openStore } from '../store/open-store.ts';
import { importTraefik } from '../tls/acme/traefik-import.ts';
import { textOf } from './named-file.ts';

export async function certImport(file: string, options: { config?: string; json?: true }): Promise<void> {
  const config = loadConfig({ ...(options.config !== undefined && { file: options.config }), env: process.env });
  if (config.store === 'memory:')
    throw new Error('store is memory:, which forgets what is imported; set stateDir or another store');
  await using store = await openStore(config.store, {
    log: silent,
    stateDir: config.stateDir,
    storeKey: config.storeKey,
  });
  const imported = await importTraefik(textOf(file), store, Date.now()).catch((error: Error) => {
    throw new Error(`${file} ${error.message}`, { cause: error });
  });
  if (options.json) process.stdout.write(`${JSON.stringify(imported, null, 2)}\n`);
  else {
    for (const host of imported.hosts) process.stdout.write(`certificate of ${host} imported\n`);
    for (const account of imported.accounts) process.stdout.write(`account ${account} imported\n`);
    for (const reason of imported.left) process.stdout.write(`${reason}\n`);
  }
  if (imported.hosts.length + imported.accounts.length === 0) throw new Error(`nothing of ${file} was imported`);
}
