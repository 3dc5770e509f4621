/** A cluster, sentinels and TLS: real servers on loopback ports. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { silent } from '../../src/log.ts';
import { openRedisStore } from '../../src/store/open-redis.ts';
import { connectRedis } from '../../src/store/redis-client.ts';
import { ready, redisStore } from '../../src/store/redis-store.ts';
import { parseRedisUrl } from '../../src/store/redis-url.ts';
import { type Store, StoreUnavailable } from '../../src/store/store.ts';
import { freePort } from '../support/free-port.ts';
import { certified } from '../support/https-front.ts';
import { type RedisServer, redisMissing, startRedis } from '../support/redis.ts';
import { keysOf, numbers, storeContract } from '../support/store-contract.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const missing = await redisMissing();

interface Topology extends AsyncDisposable {
  readonly url: string;
  readonly servers: readonly RedisServer[];
}

/** Three masters that share the slots. */
async function startCluster(): Promise<Topology> {
  await using opening = new AsyncDisposableStack();
  const buses = [await freePort(), await freePort(), await freePort()];
  const servers: RedisServer[] = [];
  for (const bus of buses) {
    const options = ['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '1000'];
    servers.push(opening.use(await startRedis(options)));
  }
  const [first, ...others] = servers;
  const ranges = [
    ['0', '5460'],
    ['5461', '10922'],
    ['10923', '16383'],
  ] as const;
  for (const [index, [from, to]] of ranges.entries()) await servers[index]?.ask('CLUSTER', 'ADDSLOTSRANGE', from, to);
  for (const [index, { port }] of others.entries())
    await first?.ask('CLUSTER', 'MEET', '127.0.0.1', String(port), String(buses[index + 1]));
  for (const server of servers)
    while (!String(await server.ask('CLUSTER', 'INFO')).includes('cluster_state:ok')) await wait(20);
  const running = opening.move();
  const hosts = servers.map(({ port }) => `127.0.0.1:${port}`).join(',');
  return { url: `redis://${hosts}/0?cluster=true`, servers, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

const cluster = missing ? undefined : await startCluster();
after(async () => cluster?.[Symbol.asyncDispose]());
if (cluster !== undefined)
  storeContract('redis: cluster', {
    open: () => openRedisStore(`${cluster.url}&prefix=${randomBytes(6).toString('hex')}:`, silent),
  });

test('keys lie on every node of a cluster and all of them are listed', { skip: missing }, async () => {
  await using store = await openRedisStore(cluster?.url ?? '', silent);
  await Promise.all(numbers(100, (n) => store.set(`many:${n}`, n)));
  assert.equal((await keysOf(store, 'many:')).length, 100);
  for (const server of cluster?.servers ?? []) assert.ok(Number(await server.ask('DBSIZE')) > 0);
});

test('a node of a cluster that dies makes verbs reject within their bound, and they work again when it is back', {
  skip: missing,
}, async () => {
  await using own = await startCluster();
  await using store = await openRedisStore(own.url, silent);
  const all = () => Promise.allSettled(numbers(30, (n) => store.set(`key:${n}`, n)));
  assert.ok((await all()).every(({ status }) => status === 'fulfilled'));
  await own.servers[1]?.kill();
  const answers = await all();
  const refused = answers.filter((answer) => answer.status === 'rejected');
  assert.ok(refused.length > 0 && refused.every(({ reason }) => reason instanceof StoreUnavailable));
  await own.servers[1]?.restart();
  for (const n of numbers(30, Number)) await eventuallySet(store, `key:${n}`);
});

test('when the master dies, sentinels name its successor and the store goes on there with all that was promised', {
  skip: missing,
}, async () => {
  await using master = await startRedis();
  await using replica = await startRedis(['--replicaof', '127.0.0.1', String(master.port)]);
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'sentinel.conf');
  const lines = [
    `sentinel monitor main 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds main 300',
    'sentinel failover-timeout main 2000',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  await using sentinel = await startRedis([], { sentinel: file });
  await using store = await openRedisStore(`redis://127.0.0.1:${sentinel.port}/0?sentinel=main`, silent);
  await store.set('promised', 1);
  // Sentinel promotes none that it has not seen.
  while (!String(await replica.ask('GET', 'mcp-gateway:promised')).includes('1')) await wait(20);
  while (!JSON.stringify(await sentinel.ask('SENTINEL', 'replicas', 'main')).includes(String(replica.port)))
    await wait(50);
  await master.kill();
  await eventuallySet(store);
  assert.equal(await store.get('promised'), 1);
  assert.match(String(await replica.ask('INFO', 'replication')), /role:master/);
});

test('a client that has given up, as ioredis does when a sentinel hangs up on it, is brought back; one of a closed store is not', {
  skip: missing,
}, async () => {
  await using redis = await startRedis();
  const client = connectRedis(parseRedisUrl(redis.url));
  await ready(client, 5000);
  {
    await using store = redisStore(client, 'test:');
    client.disconnect();
    await eventuallySet(store);
  }
  await wait(300);
  assert.equal(client.status, 'end');
});

test('over TLS the certificate of the server is verified, against the file of ca= where one is named', {
  skip: missing,
}, async () => {
  await using directory = await temporaryDirectory();
  const at = (name: string) => join(directory.path, name);
  const { certificate, rootFile } = await certified(at('authority'), ['127.0.0.1']);
  writeFileSync(at('chain.pem'), certificate.chain);
  writeFileSync(at('key.pem'), certificate.key);
  const tlsPort = await freePort();
  const files = ['--tls-cert-file', at('chain.pem'), '--tls-key-file', at('key.pem'), '--tls-auth-clients', 'no'];
  await using _redis = await startRedis(['--tls-port', String(tlsPort), ...files]);
  const url = `rediss://127.0.0.1:${tlsPort}`;
  await using store = await openRedisStore(`${url}?ca=${encodeURIComponent(rootFile)}`, silent);
  assert.equal(await store.set('k', 1), true);
  await assert.rejects(openRedisStore(url, silent), /certificate.*ca=FILE/);
});

/** Each try within its bound, until one succeeds. */
async function eventuallySet(store: Store, key = 'after'): Promise<void> {
  for (;;) {
    try {
      await store.set(key, 1);
      return;
    } catch (error) {
      assert.ok(error instanceof StoreUnavailable);
      await wait(20);
    }
  }
}
