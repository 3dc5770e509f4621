/** What every store promises (src/store/store.ts), as tests. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { collection, type Store, type StoredRecord, StoreUnavailable } from '../../src/store/store.ts';

/** Long enough for a slow machine to write a few records, short enough to wait for. */
const soon = 0.25;

export interface StoreContractOptions {
  /** Opens an empty store; what else it started ends with the store. */
  readonly open: () => Promise<Store>;
  /** How many callers the tests of concurrency have. [300] */
  readonly concurrent?: number;
  /** Titles of what a fake behind the store cannot show. */
  readonly except?: RegExp;
}

export function storeContract(name: string, { open, concurrent = 300, except }: StoreContractOptions): void {
  const each = (title: string, check: (store: Store) => Promise<void>) =>
    test(title, { skip: except?.test(title) ?? false }, async () => {
      await using store = await open();
      await check(store);
    });

  describe(`${name}: values`, () => {
    for (const [title, value] of values)
      each(`${title} comes back as it was`, async (store) => {
        assert.equal(await store.set('key', value), true);
        assert.deepEqual(await store.get('key'), value);
      });
    for (const [title, value] of refusedValues)
      each(`${title} is refused`, async (store) => {
        await assert.rejects(store.set('key', value), TypeError);
        assert.equal(await store.get('key'), undefined);
      });
    each('what was never set is undefined', async (store) => {
      assert.equal(await store.get('nothing'), undefined);
      assert.equal(await store.delete('nothing'), false);
    });
    each('a value changed after it was set is not changed in the store', async (store) => {
      const value = { list: [1] };
      await store.set('key', value);
      value.list.push(2);
      assert.deepEqual(await store.get('key'), { list: [1] });
    });
    each('a reader cannot change what another reads', async (store) => {
      await store.set('key', { list: [1] });
      const read = (await store.get('key')) as { list: number[] };
      try {
        read.list.push(2);
      } catch (error) {
        assert.ok(error instanceof TypeError, 'frozen');
      }
      assert.deepEqual(await store.get('key'), { list: [1] });
    });
    each('a later value replaces an earlier one', async (store) => {
      await store.set('key', 'one');
      assert.equal(await store.set('key', 'two'), true);
      assert.equal(await store.get('key'), 'two');
    });
    each('a value of a megabyte is kept', async (store) => {
      const value = { text: 'ü'.repeat(500_000) };
      await store.set('key', value);
      assert.deepEqual(await store.get('key'), value);
    });
  });

  describe(`${name}: conditions and concurrency`, () => {
    each('a claim succeeds once and leaves the first value', async (store) => {
      assert.equal(await store.set('key', 1, { only: 'absent' }), true);
      assert.equal(await store.set('key', 2, { only: 'absent' }), false);
      assert.equal(await store.get('key'), 1);
    });
    each('a renewal does not bring back what was deleted', async (store) => {
      assert.equal(await store.set('key', 1, { only: 'present' }), false);
      assert.equal(await store.get('key'), undefined);
      await store.set('key', 1);
      assert.equal(await store.set('key', 2, { only: 'present' }), true);
      assert.equal(await store.get('key'), 2);
      await store.delete('key');
      assert.equal(await store.set('key', 3, { only: 'present' }), false);
      assert.equal(await store.get('key'), undefined);
    });
    each('of many concurrent claims exactly one wins, and its value stays', async (store) => {
      const won = await Promise.all(numbers(concurrent, (n) => store.set('key', n, { only: 'absent', ttl: 60 })));
      assert.equal(won.filter(Boolean).length, 1);
      assert.equal(await store.get('key'), won.indexOf(true));
    });
    each('of many concurrent deletions exactly one removed the key', async (store) => {
      for (const round of [1, 2, 3]) {
        await store.set('key', round);
        const removed = await Promise.all(numbers(concurrent, () => store.delete('key')));
        assert.equal(removed.filter(Boolean).length, 1);
      }
    });
    each('concurrent increments count exactly, each answering its own number', async (store) => {
      const counts = await Promise.all(numbers(concurrent, () => store.increment('counter', 60)));
      assert.deepEqual(
        counts.sort((a, b) => a - b),
        numbers(concurrent, (n) => n + 1),
      );
      assert.equal(await store.get('counter'), concurrent);
    });
    each('claim and delete in turn never give one key two holders', async (store) => {
      let holders = 0;
      let entered = 0;
      await Promise.all(
        numbers(20, async () => {
          for (let tries = 0; tries < 20; tries += 1) {
            if (!(await store.set('lock', 1, { only: 'absent', ttl: 60 }))) continue;
            holders += 1;
            entered += 1;
            assert.equal(holders, 1);
            await wait(0);
            holders -= 1;
            assert.equal(await store.delete('lock'), true);
          }
        }),
      );
      assert.ok(entered > 1);
    });
    each('writes to different keys at once are all kept', async (store) => {
      await Promise.all(numbers(concurrent, (n) => store.set(`key:${n}`, n)));
      assert.deepEqual(
        await Promise.all(numbers(concurrent, (n) => store.get(`key:${n}`))),
        numbers(concurrent, (n) => n),
      );
    });
    each('a counter under a value that is no number is a TypeError and changes nothing', async (store) => {
      await store.set('key', { a: 1 });
      const [first, second] = await Promise.allSettled([store.increment('key', 60), store.set('other', 1)]);
      assert.ok(first.status === 'rejected' && first.reason instanceof TypeError);
      assert.equal(second.status, 'fulfilled');
      assert.deepEqual(await store.get('key'), { a: 1 });
    });
    each('a counter that was deleted begins anew', async (store) => {
      await store.increment('counter', 60);
      await store.increment('counter', 60);
      assert.equal(await store.delete('counter'), true);
      assert.equal(await store.increment('counter', 60), 1);
    });
  });

  describe(`${name}: expiry`, () => {
    each('a key is gone for every verb when its time has ended', async (store) => {
      await Promise.all(['get', 'delete', 'renew', 'claim'].map((key) => store.set(key, 1, { ttl: soon })));
      await store.increment('count', soon);
      await store.increment('count', soon);
      await passed(store);
      assert.equal(await store.get('get'), undefined);
      assert.equal(await store.delete('delete'), false);
      assert.equal(await store.set('renew', 2, { only: 'present' }), false);
      assert.equal(await store.set('claim', 2, { only: 'absent' }), true);
      assert.equal(await store.get('claim'), 2);
      assert.equal(await store.increment('count', soon), 1);
      assert.deepEqual((await keysOf(store, '')).filter((key) => key !== 'count').sort(), ['claim']);
    });
    each('a new time to live replaces the old one, longer, shorter or none', async (store) => {
      for (const key of ['longer', 'none', 'renewed', 'again']) await store.set(key, 1, { ttl: soon });
      await store.set('shorter', 1, { ttl: 60 });
      await store.set('bounded', 1);
      await store.set('longer', 2, { ttl: 60 });
      await store.set('none', 2);
      await store.set('renewed', 2, { ttl: 60, only: 'present' });
      await store.delete('again');
      await store.set('again', 2, { ttl: 60, only: 'absent' });
      await store.set('shorter', 2, { ttl: soon });
      await store.set('bounded', 2, { ttl: soon });
      await passed(store);
      assert.deepEqual((await keysOf(store, '')).sort(), ['again', 'longer', 'none', 'renewed']);
      assert.equal(await store.get('shorter'), undefined);
      assert.equal(await store.get('bounded'), undefined);
    });
    each('a refused claim or renewal leaves the time to live as it was', async (store) => {
      await store.set('key', 1, { ttl: soon });
      assert.equal(await store.set('key', 2, { ttl: 60, only: 'absent' }), false);
      await passed(store);
      assert.equal(await store.get('key'), undefined);
    });
    each('later increments do not lengthen the life of a counter', async (store) => {
      await store.increment('counter', soon);
      await store.increment('counter', 60);
      await passed(store);
      assert.equal(await store.increment('counter', 60), 1);
    });
    each('a time to live of zero or less ends at once', async (store) => {
      for (const ttl of [0, -5]) {
        await store.set('key', 1);
        assert.equal(await store.set('key', 2, { ttl }), true);
        await gone(store, 'key');
      }
    });
    each('a time to live that is no number is refused', async (store) => {
      for (const ttl of [Number.NaN, Number.POSITIVE_INFINITY]) {
        await assert.rejects(store.set('key', 1, { ttl }), RangeError);
        await assert.rejects(store.increment('key', ttl), RangeError);
      }
      assert.equal(await store.get('key'), undefined);
    });
    each('a time to live of years is kept', async (store) => {
      await store.set('key', 1, { ttl: 10 * 365 * 86_400 });
      assert.equal(await store.get('key'), 1);
    });
  });

  describe(`${name}: keys`, () => {
    each('every key of a prefix and no other is listed once', async (store) => {
      const wanted = oddNames.map((name) => `odd:${name}`);
      for (const key of [...wanted, 'odd', 'odd;', 'od', 'oddly:1', 'ODD:1', 'other:odd:1']) await store.set(key, 1);
      assert.deepEqual((await keysOf(store, 'odd:')).sort(), wanted.sort());
    });
    for (const odd of oddNames)
      each(`a prefix of ${JSON.stringify(odd)} is taken literally`, async (store) => {
        await store.set(`${odd}:1`, odd);
        await store.set(`_${odd}:2`, 2);
        await store.set(`x${odd.slice(1)}:3`, 3);
        assert.deepEqual(await keysOf(store, `${odd}:`), [`${odd}:1`]);
        assert.equal(await store.get(`${odd}:1`), odd);
        assert.equal(await store.delete(`${odd}:1`), true);
      });
    each('two thousand keys are all listed, though some are deleted meanwhile', async (store) => {
      const all = numbers(2000, (n) => `many:${n}`);
      await Promise.all(all.map((key) => store.set(key, 1)));
      assert.deepEqual((await keysOf(store, 'many:')).sort(), [...all].sort());
      for await (const key of store.keys('many:')) await store.delete(key);
      assert.deepEqual(await keysOf(store, ''), []);
    });
    each('records come with their values and the moment they end', async (store) => {
      await store.set('kind:for ever', { a: 1 });
      await store.set('kind:for a day', 'b', { ttl: 86_400 });
      await store.set('other:c', 3);
      const found = new Map<string, StoredRecord>();
      for await (const record of store.records('kind:')) found.set(record.key, record);
      assert.deepEqual(found.get('kind:for ever'), { key: 'kind:for ever', value: { a: 1 } });
      const { value, endsAt = 0 } = found.get('kind:for a day') ?? {};
      assert.equal(value, 'b');
      assert.ok(Math.abs(endsAt - Date.now() - 86_400_000) < 60_000);
      assert.equal(found.size, 2);
    });
    each('a record that takes the place of another while they are listed is not missed', async (store) => {
      await Promise.all(numbers(2000, (n) => store.set(`many:${n}`, n)));
      const found = new Set<string>();
      for await (const { key } of store.records('many:')) {
        found.add(key);
        if (found.size > 1) continue;
        await Promise.all(
          numbers(2000, async (n) => {
            await store.set(`many:${n}:next`, n);
            await store.delete(`many:${n}`);
          }),
        );
      }
      const lost = numbers(2000, String).filter((n) => !found.has(`many:${n}`) && !found.has(`many:${n}:next`));
      assert.deepEqual(lost, []);
    });
    each('a collection lists its own ids without the prefix', async (store) => {
      const clients = collection<{ name: string }>(store, 'client');
      await clients.set('a:b', { name: 'x' });
      await store.set('clients:c', 1);
      const ids: string[] = [];
      for await (const id of clients.ids()) ids.push(id);
      assert.deepEqual(ids, ['a:b']);
      assert.deepEqual(await clients.get('a:b'), { name: 'x' });
      assert.equal(await clients.delete('a:b'), true);
    });
  });

  describe(`${name}: closing`, () => {
    test('after it is closed every verb says that the store is unavailable', async () => {
      const store = await open();
      const written = store.set('key', 1);
      await store[Symbol.asyncDispose]();
      await written;
      await assert.rejects(store.get('key'), StoreUnavailable);
      await assert.rejects(store.set('key', 1), StoreUnavailable);
      await assert.rejects(store.delete('key'), StoreUnavailable);
      await assert.rejects(store.increment('key', 1), StoreUnavailable);
      await assert.rejects(keysOf(store, ''), StoreUnavailable);
      await store[Symbol.asyncDispose]();
    });
  });
}

const values: readonly (readonly [title: string, value: unknown])[] = [
  ['a string', 'text'],
  ['an empty string', ''],
  ['null', null],
  ['false', false],
  ['zero', 0],
  ['a number beyond 32 bits', 1_900_000_000_000],
  ['a fraction', -0.25],
  ['an empty list', []],
  ['an empty object', {}],
  ['a nested object', { a: [{ b: null, c: 'd' }], 'odd key:*': { e: true } }],
  ['text of all planes and control characters', 'ä€😀\u0000\n\u2028"\\\ud800'],
];

const refusedValues: readonly (readonly [title: string, value: unknown])[] = [
  ['undefined', undefined],
  ['a function', () => 1],
  ['a bigint', 1n],
];

const oddNames = [
  '*',
  '?',
  '[a-z]',
  '%',
  '_',
  '\\',
  "'",
  '"',
  ' ',
  'ü',
  '😀',
  'a\u0000b',
  '{tag}',
  'A/b?c#d',
  '\n',
  '-1',
];

export function numbers<T>(count: number, make: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => make(n));
}

export async function keysOf(store: Store, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.keys(prefix)) keys.push(key);
  return keys;
}

/** Waits until what was set with `ttl: soon` before this call has ended. */
async function passed(store: Store): Promise<void> {
  await store.set('witness', 1, { ttl: soon });
  await gone(store, 'witness');
}

async function gone(store: Store, key: string): Promise<void> {
  while ((await store.get(key)) !== undefined) await wait(10);
}
