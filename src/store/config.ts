/** The configuration of the store: one URL. */

import { z } from 'zod';

/** `memory:`, `file:` (the state directory's store.db), `file:PATH`, `redis://…` or `rediss://…`. */
export const storeConfig = z
  .string()
  .regex(
    /^(memory:$|file:|rediss?:\/\/.)/,
    'is not a store; write "memory:", "file:", "file:PATH" or "redis://HOST:PORT"',
  )
  .describe(
    'Where state is kept: `memory:`, `file:` (store.db in `stateDir`), `file:PATH`, `redis://…` or `rediss://…`.',
  );

export type StoreConfig = z.infer<typeof storeConfig>;

/** A file where there is a directory for state, else memory. */
export function defaultStore(stateDir: string | undefined): StoreConfig {
  return stateDir === undefined ? 'memory:' : 'file:';
}
