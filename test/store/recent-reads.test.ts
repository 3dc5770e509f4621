import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { memoryStore } from '../../src/store/memory-store.ts';
import { graceTime, rememberingReads } from '../../src/store/recent-reads.ts';
import { type Store, StoreUnavailable } from '../../src/store/store.ts';

function breakable(): { store: Store; broken: (now: boolean) => void } {
  const beneath = memoryStore();
  let away = false;
  const guarded =
    <A extends unknown[], R>(verb: (...args: A) => Promise<R>) =>
    async (...args: A) => {
      if (away) throw new StoreUnavailable('away');
      return verb(...args);
    };
  const store = { ...beneath, get: guarded(beneath.get), set: guarded(beneath.set), delete: guarded(beneath.delete) };
  return { store, broken: (now) => (away = now) };
}

function clock(t: TestContext): void {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
}

test('what was read lately is answered while the store is away, up to the bound and not a moment longer', async (t) => {
  clock(t);
  const { store, broken } = breakable();
  const remembering = rememberingReads(store, 'grant');
  await remembering.set('grant:1', 'live');
  await remembering.get('grant:1');
  broken(true);
  t.mock.timers.tick(graceTime - 1);
  assert.equal(await remembering.get('grant:1'), 'live');
  t.mock.timers.tick(1);
  await assert.rejects(remembering.get('grant:1'), StoreUnavailable);
  broken(false);
  assert.equal(await remembering.get('grant:1'), 'live');
});

test('what was never read, is of another kind, or was found missing is not answered', async () => {
  const { store, broken } = breakable();
  const remembering = rememberingReads(store, 'grant');
  await remembering.set('grant:unread', 1);
  await remembering.set('code:1', 1);
  await remembering.get('code:1');
  await remembering.set('grant:gone', 1);
  await remembering.get('grant:gone');
  await store.delete('grant:gone');
  await remembering.get('grant:gone');
  broken(true);
  for (const key of ['grant:unread', 'code:1', 'grant:gone'])
    await assert.rejects(remembering.get(key), StoreUnavailable);
});

test('a deletion here is kept even if the store could not be told', async () => {
  const { store, broken } = breakable();
  const remembering = rememberingReads(store, 'grant');
  await remembering.set('grant:1', 1);
  await remembering.get('grant:1');
  broken(true);
  await assert.rejects(remembering.delete('grant:1'), StoreUnavailable);
  await assert.rejects(remembering.get('grant:1'), StoreUnavailable);
});

test('while the store answers, each read asks it', async () => {
  const { store } = breakable();
  const remembering = rememberingReads(store, 'grant');
  await remembering.set('grant:1', 1);
  await remembering.get('grant:1');
  await store.delete('grant:1');
  assert.equal(await remembering.get('grant:1'), undefined);
});

test('what was read a moment ago is known at once, until it is written here or the moment is over', async (t) => {
  clock(t);
  const { store } = breakable();
  const remembering = rememberingReads(store, 'grant');
  await remembering.set('grant:1', 1);
  assert.equal(remembering.recent?.('grant:1'), undefined, 'never read');
  await remembering.get('grant:1');
  assert.equal(remembering.recent?.('grant:1'), 1);
  await remembering.set('grant:1', 2);
  assert.equal(remembering.recent?.('grant:1'), undefined, 'written');
  await remembering.get('grant:1');
  const deleting = remembering.delete('grant:1');
  assert.equal(remembering.recent?.('grant:1'), undefined, 'being deleted');
  await deleting;
  await remembering.set('grant:1', 3);
  await remembering.get('grant:1');
  t.mock.timers.tick(1000);
  assert.equal(remembering.recent?.('grant:1'), undefined, 'a second later');
});

test('a read that is overtaken by a write is not remembered', async () => {
  const { store } = breakable();
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const slow: Store = {
    ...store,
    async get(key) {
      const value = await store.get(key);
      await held;
      return value;
    },
  };
  const remembering = rememberingReads(slow, 'grant');
  await remembering.set('grant:1', 'live');
  const reading = remembering.get('grant:1');
  await remembering.delete('grant:1');
  release();
  assert.equal(await reading, 'live');
  assert.equal(remembering.recent?.('grant:1'), undefined);
});
