/** The configuration of the store: one URL. */

import { z } from 'zod';

/** `memory:`, `file:` (the state directory's store.db), or `file:PATH`. */
export const storeConfig = z
  .string()
  .regex(/^(memory:$|file:)/, 'is not a store; write "memory:", "file:" or "file:PATH"')
  .describe('Where state is kept: `memory:`, `file:` (store.db in `stateDir`) or `file:PATH`.');

export type StoreConfig = z.infer<typeof storeConfig>;

/** A file where there is a directory for state, else memory. */
export function defaultStore(stateDir: string | undefined): StoreConfig {
  return stateDir === undefined ? 'memory:' : 'file:';
}
