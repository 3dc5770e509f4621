/** The store of several gateways: a Redis. Each verb is one atomic command or script on one key, so a cluster will do. */

import { Cluster, type Redis } from 'ioredis';
import { jsonText } from './json-text.ts';
import { isLasting, plainly, type RedisClient } from './redis-client.ts';
import { type Store, type StoredRecord, StoreUnavailable } from './store.ts';
import { endOf } from './time-to-live.ts';

/** Milliseconds to wait for a lost connection; short of that a fail-over is a delay, beyond it a fault. */
const patience = 2000;
const keysAtOnce = 1000;

/** The counter's time begins with its first count; INCR keeps it. */
const countScript = `if redis.call('SET', KEYS[1], '1', 'PX', ARGV[1], 'NX') then return 1 end
return redis.call('INCR', KEYS[1])`;

/** A value and the time it has left, of one moment. */
const readScript = `return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}`;

/** Takes over `client`. As durable as Redis is configured to be (docs/storage.md). */
export function redisStore(client: RedisClient, prefix: string): Store {
  let open = true;
  let waiting: Promise<void> | undefined;
  let lostAt: number | undefined;
  let refusal: string | undefined;
  // Told by the commands that need the connection.
  client.on('error', (error) => {
    if (isLasting(error)) refusal = plainly(error);
  });
  client.on('ready', () => {
    refusal = undefined;
  });
  client.on('end', () => revive(client, () => open));

  /** One wait for all who come while the connection is away; none once it has been away for long. */
  async function back(): Promise<void> {
    lostAt ??= Date.now();
    const left = lostAt + patience - Date.now();
    if (left <= 0) throw new StoreUnavailable(`the store cannot be reached: ${refusal ?? 'Redis does not answer'}`);
    waiting ??= ready(client, left).finally(() => {
      waiting = undefined;
    });
    await waiting;
  }

  async function ask<T>(command: () => Promise<T>): Promise<T> {
    if (!open) throw new StoreUnavailable('the store is closed');
    if (client.status !== 'ready') await back();
    lostAt = undefined;
    try {
      return await command();
    } catch (error) {
      if (isOfType(error)) throw new TypeError('only a number can be incremented');
      // No cause: the client's errors carry the command with all it was to store.
      throw new StoreUnavailable(`the store cannot be used: ${plainly(error)}`);
    }
  }

  async function* unseen(wanted: string, seen: Set<string>): AsyncIterable<StoredRecord> {
    const read = (key: string) =>
      ask(() => client.eval(readScript, 1, prefix + key)) as Promise<[string | null, number]>;
    for await (const page of pages(wanted, seen))
      for (const [index, [text, left]] of (await Promise.all(page.map(read))).entries())
        if (text !== null)
          yield { key: page[index] ?? '', value: JSON.parse(text), ...(left >= 0 && { endsAt: Date.now() + left }) };
  }

  /** `seen` takes the keys that have been answered: SCAN may name one twice. */
  async function* pages(wanted: string, seen: Set<string>): AsyncIterable<string[]> {
    const pattern = `${(prefix + wanted).replace(/[\\*?[\]]/g, '\\$&')}*`;
    const nodes = await ask(async () => (client instanceof Cluster ? client.nodes('master') : [client as Redis]));
    for (const node of nodes) {
      let cursor = '0';
      do {
        const [next, found] = await ask(() => node.scan(cursor, 'MATCH', pattern, 'COUNT', keysAtOnce));
        cursor = next;
        const fresh = [...new Set(found)].filter((key) => !seen.has(key));
        for (const key of fresh) seen.add(key);
        yield fresh.map((key) => key.slice(prefix.length));
      } while (cursor !== '0');
    }
  }

  return {
    async get(key) {
      const text = await ask(() => client.get(prefix + key));
      return text === null ? undefined : JSON.parse(text);
    },
    async set(key, value, { ttl, only } = {}) {
      const text = jsonText(value);
      const life = milliseconds(ttl);
      const name = prefix + key;
      const answer = await ask(() => {
        if (only === undefined) return life === undefined ? client.set(name, text) : client.set(name, text, 'PX', life);
        if (only === 'absent')
          return life === undefined ? client.set(name, text, 'NX') : client.set(name, text, 'PX', life, 'NX');
        return life === undefined ? client.set(name, text, 'XX') : client.set(name, text, 'PX', life, 'XX');
      });
      return answer === 'OK';
    },
    async delete(key) {
      return (await ask(() => client.del(prefix + key))) === 1;
    },
    async increment(key, ttl) {
      const life = milliseconds(ttl) ?? 1;
      return Number(await ask(() => client.eval(countScript, 1, prefix + key, life)));
    },
    async *keys(wanted) {
      for await (const page of pages(wanted, new Set())) yield* page;
    },
    async *records(wanted) {
      const seen = new Set<string>();
      yield* unseen(wanted, seen);
      // What took the place of another while that look was under way.
      yield* unseen(wanted, seen);
    },
    async [Symbol.asyncDispose]() {
      if (!open) return;
      open = false;
      // QUIT is answered after all that was sent before it.
      if (client.status === 'ready') await client.quit().catch(ignore);
      client.disconnect();
    },
  };
}

/** Milliseconds. */
const revival = 100;

/** ioredis gives up for good where a sentinel hangs up while it is asked who is the master. `wanted` says whether we do. */
export function revive(client: RedisClient, wanted: () => boolean): void {
  if (!wanted()) return;
  setTimeout(() => {
    if (wanted() && client.status === 'end') client.connect().catch(() => undefined);
  }, revival).unref();
}

/** Resolves when the connection is usable, rejects after `limit` milliseconds or when it is given up. */
export function ready(client: RedisClient, limit: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const refuse = () => reject(new StoreUnavailable('the store cannot be reached: Redis does not answer'));
  const timer = setTimeout(refuse, limit);
  client.once('ready', resolve).once('end', refuse);
  return promise.finally(() => {
    clearTimeout(timer);
    client.off('ready', resolve).off('end', refuse);
  });
}

/** Whole milliseconds and at least one, as Redis takes them. */
function milliseconds(ttl: number | undefined): number | undefined {
  if (ttl === undefined) return undefined;
  return Math.max(1, endOf(ttl) - Date.now());
}

function isOfType(error: unknown): boolean {
  return error instanceof Error && /WRONGTYPE|not an integer or out of range/.test(error.message);
}

function ignore(): void {}
