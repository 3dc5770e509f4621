/** Every flow on another kind of store: `MCP_GATEWAY_TEST_STORE=file:` or `=redis:` before `npm test`. [memory:] */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { after } from 'node:test';
import { type RedisServer, startRedis } from './redis.ts';

const wanted = process.env.MCP_GATEWAY_TEST_STORE ?? 'memory:';
/** One for each file of tests. */
let shared: Promise<RedisServer> | undefined;
after(async () => (await shared)?.[Symbol.asyncDispose]());

/** An empty store, as the keys of a configuration that names none. */
export async function testStore(directory: string): Promise<Record<string, string>> {
  if (wanted === 'memory:') return {};
  const storeKey = 'a key for tests, thirty-two letters at least';
  if (wanted === 'file:') return { store: `file:${join(directory, 'store.db')}`, storeKey };
  if (wanted !== 'redis:') throw new Error(`MCP_GATEWAY_TEST_STORE is file: or redis:, not ${wanted}`);
  shared ??= startRedis(['--appendonly', 'yes']);
  return { store: `${(await shared).url}?prefix=${randomBytes(6).toString('hex')}:`, storeKey };
}
