/** The store that a configuration names, for verbs that work beside a running gateway or without one. */

import { loadConfig } from '../config.ts';
import { log } from '../log.ts';
import { openStore } from '../store/open-store.ts';
import type { Store } from '../store/store.ts';

/** Throws where the store is the memory of another process. */
export async function storeOf(options: { readonly config?: string }): Promise<Store> {
  const config = loadConfig({ ...(options.config !== undefined && { file: options.config }), env: process.env });
  if (config.store === 'memory:')
    throw new Error('store is memory:, which only the running gateway has; set stateDir or another store');
  const warnings = log({ level: 'warn', format: config.log.format, output: process.stderr });
  return openStore(config.store, { log: warnings, stateDir: config.stateDir, storeKey: config.storeKey });
}
