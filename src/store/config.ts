/** The configuration of the store: one URL. */

import * as z from 'zod';
import { parseRedisUrl } from './redis-url.ts';

/** `memory:`, `file:` (the state directory's store.db), `file:PATH`, or a Redis. */
export const storeConfig = z
  .string()
  .regex(
    /^(memory:$|file:|rediss?:\/\/)/,
    'is not a store; write "memory:", "file:", "file:PATH", "redis://HOST" or "rediss://HOST"',
  )
  .superRefine((url, context) => {
    if (!/^rediss?:/.test(url)) return;
    try {
      parseRedisUrl(url);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
    }
  })
  .describe(
    'Where state is kept: `memory:`, `file:` (store.db in `stateDir`), `file:PATH`, or `redis://` and `rediss://` with ' +
      '`?sentinel=NAME`, `?cluster=true`, `prefix=`, `ca=FILE`.',
  );

export const storeKeyConfig = z
  .string()
  .min(32, 'is too short for a key; make one with: openssl rand -base64 32')
  .describe(
    'Seals private keys in the store; the same on every gateway. Give it as `{"$env"}` or `{"$file"}`. ' +
      '[a file store.key, made in `stateDir` with mode 0600]',
  );

export type StoreConfig = z.infer<typeof storeConfig>;

/** A file where there is a directory for state, else memory. */
export function defaultStore(stateDir: string | undefined): StoreConfig {
  return stateDir === undefined ? 'memory:' : 'file:';
}
