/** The store that a configuration names, for verbs that work beside a running gateway or without one. */

import { loadConfig } from '../config.ts';
import { log } from '../log.ts';
import type { KeptRecords } from '../store/backup.ts';
import { openStore } from '../store/open-store.ts';
import type { StoredRecord } from '../store/store.ts';
import { askGateway, type GatewayOptions, linesOfGateway } from './admin-client.ts';

/** What is kept in memory is reached through the gateway that runs. */
export async function storeOf(options: { readonly config?: string }): Promise<KeptRecords> {
  const config = loadConfig({ ...(options.config !== undefined && { file: options.config }), env: process.env });
  if (config.store === 'memory:')
    return runningStore({ ...options, ...(config.stateDir !== undefined && { stateDir: config.stateDir }) });
  const warnings = log({ level: 'warn', format: config.log.format, output: process.stderr });
  return openStore(config.store, { log: warnings, stateDir: config.stateDir, storeKey: config.storeKey });
}

function runningStore(gateway: GatewayOptions): KeptRecords {
  async function* records(prefix: string): AsyncIterable<StoredRecord> {
    for await (const line of linesOfGateway(gateway, '/records')) {
      const record = JSON.parse(line) as StoredRecord;
      if (record.key.startsWith(prefix)) yield record;
    }
  }
  return {
    records,
    async *keys(prefix) {
      for await (const { key } of records(prefix)) yield key;
    },
    async set(key, value, { ttl } = {}) {
      await askGateway(gateway, 'POST', '/records', { key, value, ...(ttl !== undefined && { ttl }) });
      return true;
    },
    async delete(key) {
      await askGateway(gateway, 'DELETE', `/records/${encodeURIComponent(key)}`);
      return true;
    },
    async [Symbol.asyncDispose]() {},
  };
}
