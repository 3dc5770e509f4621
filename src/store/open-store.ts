/** From the `store` of the configuration to an open store. Implementations are loaded when they are wanted. */

import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Log } from '../log.ts';
import type { StoreConfig } from './config.ts';
import type { Store } from './store.ts';

export interface OpenStoreOptions {
  /** Where `file:` without a path keeps its store.db. */
  readonly stateDir?: string | undefined;
  /** Seals private keys; without it a key file in the state directory, or beside the store's file. */
  readonly storeKey?: string | undefined;
  readonly log: Log;
  /** Milliseconds to wait for a store that is away; without it, for as long as it takes. */
  readonly patience?: number;
}

/** Rejects with one sentence for the operator where the store cannot be opened. */
export async function openStore(url: StoreConfig, options: OpenStoreOptions): Promise<Store> {
  const scheme = url.slice(0, url.indexOf(':'));
  options.log.debug('store.open', { scheme });
  switch (scheme) {
    case 'memory': {
      const { memoryStore } = await import('./memory-store.ts');
      return memoryStore();
    }
    case 'file': {
      const path = filePath(url.slice('file:'.length), options.stateDir);
      const { fileStore } = await import('./file-store.ts');
      return sealing(fileStore(path), options, `${path}.key`);
    }
    case 'redis':
    case 'rediss': {
      const { openRedisStore } = await import('./open-redis.ts');
      return sealing(await openRedisStore(url, options.log, options.patience), options);
    }
    default:
      throw new Error(`store: ${JSON.stringify(scheme)} is not a kind of store`);
  }
}

async function sealing(store: Store, { storeKey, stateDir }: OpenStoreOptions, beside?: string): Promise<Store> {
  try {
    const file = stateDir === undefined ? beside : join(stateDir, 'store.key');
    if (storeKey === undefined && file === undefined)
      throw new Error('store: private keys are sealed in it; set storeKey, or stateDir to have a key made');
    const [{ sealedStore, checkSecret }, { storeKeyFile }] = await Promise.all([
      import('./sealed.ts'),
      import('./store-key.ts'),
    ]);
    const sealed = sealedStore(store, storeKey ?? storeKeyFile(file ?? ''));
    await checkSecret(sealed);
    return sealed;
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

/** `file:PATH` and `file://PATH` both name PATH. */
function filePath(path: string, stateDir: string | undefined): string {
  if (path.startsWith('//')) return fileURLToPath(`file:${path}`);
  if (path !== '') return resolve(path);
  if (stateDir === undefined)
    throw new Error('store: "file:" needs a state directory; set stateDir or write "file:PATH"');
  return join(stateDir, 'store.db');
}
