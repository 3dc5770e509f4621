/** Opens a Redis for use: waits for it at start, and says what its configuration does not keep. */

import type { Log } from '../log.ts';
import { connectRedis, isLasting, plainly, type RedisClient } from './redis-client.ts';
import { ready, redisStore, revive } from './redis-store.ts';
import { parseRedisUrl } from './redis-url.ts';
import type { Store } from './store.ts';

/** Milliseconds between two lines that say what is waited for. */
const sayEvery = 5000;

/**
 * Waits for as long as it takes, or `patience` milliseconds, except where waiting cannot help: then rejects with one
 * sentence for the operator.
 */
export async function openRedisStore(url: string, log: Log, patience = Number.POSITIVE_INFINITY): Promise<Store> {
  const address = parseRedisUrl(url);
  const where = address.hosts.map(({ host, port }) => `${host}:${port}`).join(', ');
  const client = connectRedis(address);
  let problem: unknown;
  let wanted = true;
  const { promise: refused, reject } = Promise.withResolvers<never>();
  refused.catch(() => undefined);
  const note = (error: unknown) => {
    problem = error;
    if (isLasting(error)) reject(error);
  };
  client.on('error', note).on('node error', note);
  const until = Date.now() + patience;
  try {
    for (;;) {
      const came = await Promise.race([refused, ready(client, Math.min(sayEvery, patience)).then(yes, no)]);
      if (came) break;
      if (client.status === 'end') revive(client, () => wanted);
      const reason = problem === undefined ? 'it does not answer' : plainly(problem);
      if (Date.now() >= until) throw problem ?? new Error(reason);
      log.warn('waiting for the store', { redis: where, reason });
    }
    await warnOfLosses(client, log);
  } catch (error) {
    wanted = false;
    client.disconnect();
    throw new Error(`store: Redis at ${where} cannot be used: ${plainly(error)}`);
  } finally {
    client.off('error', note).off('node error', note);
  }
  return redisStore(client, address.prefix);
}

const yes = () => true;
const no = () => false;

/** Redis forgets by itself where it is told to; some that are rented do not let anybody ask. */
async function warnOfLosses(client: RedisClient, log: Log): Promise<void> {
  const info = await client.info().catch(() => '');
  const value = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1];
  const policy = value('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction')
    log.warn('Redis may forget clients and grants when its memory is full', {
      mend: `maxmemory-policy noeviction`,
      policy,
    });
  if (value('aof_enabled') === '0')
    log.warn('Redis may lose the last changes when it crashes', { mend: 'appendonly yes' });
}
