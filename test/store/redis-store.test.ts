import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import RedisMock from 'ioredis-mock';
import { silent } from '../../src/log.ts';
import { openRedisStore } from '../../src/store/open-redis.ts';
import { redisStore } from '../../src/store/redis-store.ts';
import { type Store, StoreUnavailable } from '../../src/store/store.ts';
import { redisMissing, startRedis } from '../support/redis.ts';
import { keysOf, numbers, storeContract } from '../support/store-contract.ts';

const missing = await redisMissing();
const shared = missing ? undefined : await startRedis();
after(async () => shared?.[Symbol.asyncDispose]());

const open = (url: string): Promise<Store> => openRedisStore(url, silent);
/** A part of the shared server that nothing else writes to. */
const own = () => `${shared?.url}/?prefix=${encodeURIComponent(`${randomBytes(6).toString('hex')}[*]:`)}`;

storeContract('redis: on ioredis-mock', {
  open: async () =>
    redisStore(Object.assign(new RedisMock(), { status: 'ready' }), `${randomBytes(6).toString('hex')}:`),
  // It knows no escapes in patterns, loses its place when keys are deleted, and has other words for the errors of scripts.
  except:
    /^a prefix of ".*([*?[\\]|\\n).*"|^every key of a prefix|^two thousand keys|takes the place of another|is no number is a TypeError/,
});

if (shared !== undefined) storeContract('redis:', { open: () => open(own()) });

test('two stores on one Redis see each other at once, and other prefixes not at all', { skip: missing }, async () => {
  const url = own();
  await using one = await open(url);
  await using two = await open(url);
  await using other = await open(own());
  await one.set('grant:a', { live: true });
  assert.deepEqual(await two.get('grant:a'), { live: true });
  assert.equal(await two.delete('grant:a'), true);
  assert.equal(await one.get('grant:a'), undefined);
  const won = await Promise.all(
    [one, two].flatMap((store) => numbers(50, (n) => store.set('lock', n, { only: 'absent' }))),
  );
  assert.equal(won.filter(Boolean).length, 1);
  const counts = await Promise.all([one, two].flatMap((store) => numbers(50, () => store.increment('count', 60))));
  assert.equal(new Set(counts).size, 100);
  assert.deepEqual(await keysOf(other, ''), []);
});

test('a short loss of the connection is waited out, and none of the writes is done twice or lost', {
  skip: missing,
}, async () => {
  await using redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
  await using store = await open(redis.url);
  await store.set('kept', 1);
  await redis.restart();
  assert.equal(await store.get('kept'), 1);
  assert.equal(await store.set('claim', 'mine', { only: 'absent' }), true);
});

test('connections cut under load refuse some verbs and never tell the winner of a claim that it lost', {
  skip: missing,
}, async () => {
  const url = own();
  await using store = await open(url);
  let cut = 0;
  for (const round of numbers(20, Number)) {
    const claims = numbers(50, (n) => store.set(`claim:${round}:${n}`, n, { only: 'absent' }).catch((error) => error));
    await shared?.ask('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    for (const answer of await Promise.all(claims)) {
      if (answer instanceof StoreUnavailable) cut += 1;
      else assert.equal(answer, true);
    }
  }
  assert.ok(cut > 0);
});

test('while Redis is away every verb rejects within its bound, and works again when it is back', {
  skip: missing,
}, async () => {
  await using redis = await startRedis();
  await using store = await open(redis.url);
  await redis.kill();
  const verbs = () => [
    store.get('k'),
    store.set('k', 1),
    store.delete('k'),
    store.increment('k', 1),
    keysOf(store, ''),
  ];
  const all = await Promise.allSettled(verbs());
  for (const each of all) assert.ok(each.status === 'rejected' && each.reason instanceof StoreUnavailable);
  await redis.restart();
  await answers(store);
  assert.equal(await store.set('k', 1), true);
});

test('a Redis that hangs refuses within five seconds, and is used again when it goes on', {
  skip: missing,
}, async () => {
  await using redis = await startRedis();
  await using store = await open(redis.url);
  redis.process.kill('SIGSTOP');
  await assert.rejects(store.get('k'), StoreUnavailable);
  redis.process.kill('SIGCONT');
  await answers(store);
  assert.equal(await store.set('k', 1), true);
});

test('a Redis that may not forget and has no memory left refuses writes and goes on reading', {
  skip: missing,
}, async () => {
  await using redis = await startRedis();
  await using store = await open(redis.url);
  await store.set('k', 1);
  await redis.ask('CONFIG', 'SET', 'maxmemory', '1');
  await assert.rejects(store.set('k', 'secret value'), (error: unknown) => {
    assert.ok(error instanceof StoreUnavailable);
    assert.match(error.message, /no memory left/);
    assert.doesNotMatch(JSON.stringify(error, Object.getOwnPropertyNames(error)), /secret value/);
    return true;
  });
  assert.equal(await store.get('k'), 1);
});

test('a flushed Redis has forgotten everything and works on', { skip: missing }, async () => {
  await using redis = await startRedis();
  await using store = await open(redis.url);
  await store.increment('k', 60);
  await redis.ask('FLUSHALL');
  await redis.ask('SCRIPT', 'FLUSH');
  assert.equal(await store.get('k'), undefined);
  assert.equal(await store.increment('k', 60), 1);
});

test('a user of the access list gets in with its password, and a wrong one is refused at start in one sentence', {
  skip: missing,
}, async () => {
  const docs = readFileSync(join(import.meta.dirname, '../../docs/storage.md'), 'utf8');
  const [commands = ''] = /\+get [^`]*/.exec(docs) ?? [];
  const user = ['--user', 'gateway', 'on', '>p@ss:w', '~mcp-gateway:*', ...commands.split(' ')];
  await using redis = await startRedis([...user, '--user', 'default', 'off']);
  await using store = await open(redis.url.replace('://', '://gateway:p%40ss%3Aw@'));
  assert.equal(await store.set('k', 1), true);
  assert.equal(await store.increment('n', 60), 1);
  assert.deepEqual((await keysOf(store, '')).sort(), ['k', 'n']);
  for await (const { endsAt } of store.records('n')) assert.ok(endsAt);
  await assert.rejects(open(redis.url.replace('://', '://gateway:wrong@')), (error: Error) => {
    assert.match(
      error.message,
      /^store: Redis at 127\.0\.0\.1:\d+ cannot be used: Redis refuses the user or the password$/,
    );
    return true;
  });
});

test('what an operator has to mend is told by the verbs that meet it, and they go on once it is mended', {
  skip: missing,
}, async () => {
  await using redis = await startRedis(['--user', 'gateway', 'on', '>right', '~*', '+@all']);
  await using store = await open(redis.url.replace('://', '://gateway:right@'));
  const refusedBy = async (reason: RegExp) => {
    for (let told = ''; !reason.test(told); ) told = await store.set('k', 1).then(String, String);
  };
  await redis.ask('ACL', 'SETUSER', 'gateway', 'resetkeys', '~other:*');
  await refusedBy(/lacks a command or the keys/);
  await redis.ask('ACL', 'SETUSER', 'gateway', 'allkeys');
  await redis.ask('REPLICAOF', '127.0.0.1', '1');
  await refusedBy(/is a replica/);
  await redis.ask('REPLICAOF', 'NO', 'ONE');
  await redis.ask('ACL', 'SETUSER', 'gateway', 'resetpass', '>other');
  await redis.ask('CLIENT', 'KILL', 'USER', 'gateway');
  await refusedBy(/refuses the user or the password/);
  await redis.ask('ACL', 'SETUSER', 'gateway', '>right');
  await answers(store);
});

async function answers(store: Store): Promise<void> {
  for (;;) {
    try {
      await store.get('k');
      return;
    } catch (error) {
      assert.ok(error instanceof StoreUnavailable);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
