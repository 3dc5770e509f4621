import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../../src/store/memory-store.ts';
import { StoreUnavailable } from '../../src/store/store.ts';
import { keysOf, numbers, storeContract } from '../support/store-contract.ts';

storeContract('memory:', { open: async () => memoryStore() });

const value = 'x'.repeat(1000);

test('a full store refuses a new value, keeps every old one and takes values again once there is room', async () => {
  await using store = memoryStore({ limit: 20_000 });
  let kept = 0;
  await assert.rejects(async () => {
    for (;;) {
      await store.set(`key:${kept}`, value);
      kept += 1;
    }
  }, StoreUnavailable);
  assert.ok(kept > 10);
  for (const n of numbers(kept, Number)) assert.equal(await store.get(`key:${n}`), value);
  await store.delete('key:0');
  assert.equal(await store.set('fresh', value), true);
});

test('a full store lets a value be replaced by one that is no larger', async () => {
  await using store = memoryStore({ limit: 1500 });
  await store.set('key', value);
  assert.equal(await store.set('key', value), true);
  await assert.rejects(store.set('key', value + value), StoreUnavailable);
  assert.equal(await store.get('key'), value);
});

test('what has expired makes room in a full store, however much of it there is', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  await using store = memoryStore({ limit: 10_000_000 });
  for (const n of numbers(30_000, Number)) await store.set(`key:${n}`, n, { ttl: 60 });
  t.mock.timers.tick(61_000);
  assert.equal(await store.set('large', 'x'.repeat(9_000_000)), true);
});

test('expired entries are taken back by later writes, without being asked for', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  await using store = memoryStore({ limit: 3_000_000 });
  for (const minute of numbers(20, Number)) {
    for (const n of numbers(9000, Number)) await store.set(`${minute}:${n}`, n, { ttl: 30 });
    t.mock.timers.tick(60_000);
  }
  await store.set('last', 1);
  assert.deepEqual(await keysOf(store, ''), ['last']);
});

test('counters make room for counters and for nothing else: the oldest is forgotten', async () => {
  await using store = memoryStore({ limit: 20_000, counterLimit: 5000 });
  await store.set('promise', 1);
  for (const n of numbers(1000, Number)) assert.equal(await store.increment(`count:${n}`, 60), 1);
  assert.equal(await store.get('promise'), 1);
  assert.equal(await store.get('count:0'), undefined);
  assert.equal(await store.increment('count:999', 60), 2);
});

test('a store full of values goes on counting', async () => {
  await using store = memoryStore({ limit: 1500, counterLimit: 1000 });
  await store.set('key', value);
  await assert.rejects(store.set('other', value), StoreUnavailable);
  assert.equal(await store.increment('count', 60), 1);
  assert.equal(await store.increment('count', 60), 2);
});

test('a counter replaced by a value gives its room back, and the other way round', async () => {
  await using store = memoryStore({ limit: 1500, counterLimit: 400 });
  for (const _ of numbers(20, Number)) {
    await store.increment('key', 60);
    await store.set('key', value);
    await store.delete('key');
  }
  assert.equal(await store.increment('key', 60), 1);
});

test('a clock set back loses nothing and keeps nothing for ever', async (t) => {
  const now = Date.now();
  t.mock.timers.enable({ apis: ['Date'], now });
  await using store = memoryStore();
  await store.set('before', 1, { ttl: 60 });
  t.mock.timers.setTime(now - 3_600_000);
  await store.set('after', 1, { ttl: 60 });
  assert.equal(await store.get('before'), 1);
  t.mock.timers.setTime(now + 61_000);
  assert.deepEqual(await keysOf(store, ''), []);
});
