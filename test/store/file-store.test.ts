import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { fileStore } from '../../src/store/file-store.ts';
import type { Store } from '../../src/store/store.ts';
import { keysOf, numbers, storeContract } from '../support/store-contract.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

storeContract('file:', { open: openTemporary });

async function openTemporary(): Promise<Store> {
  const directory = await temporaryDirectory();
  const store = fileStore(join(directory.path, 'store.db'));
  return {
    ...store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

test('what was set is there after the file is closed and opened again', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'store.db');
  {
    await using store = fileStore(path);
    await store.set('key', { a: 1 });
    await store.set('short', 1, { ttl: 0.001 });
    await store.increment('count', 60);
  }
  await using store = fileStore(path);
  assert.deepEqual(await store.get('key'), { a: 1 });
  assert.equal(await store.increment('count', 60), 2);
  assert.deepEqual((await keysOf(store, '')).sort(), ['count', 'key']);
});

test('two stores on one file, as the gateway and a command are, see each other at once and share every claim', async () => {
  await using directory = await temporaryDirectory();
  await using one = fileStore(join(directory.path, 'store.db'));
  await using two = fileStore(join(directory.path, 'store.db'));
  await one.set('key', 1);
  assert.equal(await two.get('key'), 1);
  await two.delete('key');
  assert.equal(await one.get('key'), undefined);
  const won = await Promise.all(numbers(200, (n) => (n % 2 ? one : two).set('claim', n, { only: 'absent' })));
  assert.equal(won.filter(Boolean).length, 1);
  const counts = await Promise.all(numbers(200, (n) => (n % 2 ? one : two).increment('count', 60)));
  assert.equal(new Set(counts).size, 200);
  assert.equal(await one.get('count'), 200);
});

test('a write waits for another process that is writing, while reads go on', async () => {
  await using directory = await temporaryDirectory();
  await using store = fileStore(join(directory.path, 'store.db'));
  await store.set('key', 1);
  using other = new DatabaseSync(join(directory.path, 'store.db'));
  other.exec('begin immediate');
  const written = store.set('key', 2);
  await wait(0);
  assert.equal(await store.get('key'), 1);
  other.exec('rollback');
  assert.equal(await written, true);
  assert.equal(await store.get('key'), 2);
});

test('a write is refused where another process goes on writing, and the store recovers', async (t) => {
  await using directory = await temporaryDirectory();
  await using store = fileStore(join(directory.path, 'store.db'));
  using other = new DatabaseSync(join(directory.path, 'store.db'));
  other.exec('begin immediate');
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  const written = store.set('key', 1);
  t.mock.timers.tick(5001);
  await assert.rejects(written, { name: 'StoreUnavailable', message: /another process holds it/ });
  other.exec('rollback');
  assert.equal(await store.set('key', 2), true);
});

test('who opens the file waits for another that is making it', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'store.db');
  // It holds the file for longer than SQLite's own timeout, on a thread of its own, since whoever opens it stands still.
  const maker = new Worker(
    `const { DatabaseSync } = require('node:sqlite');
    const database = new DatabaseSync(${JSON.stringify(path)});
    database.exec('begin exclusive');
    require('node:worker_threads').parentPort.postMessage('made');
    setTimeout(() => database.exec('commit'), 700);`,
    { eval: true },
  );
  const exited = once(maker, 'exit');
  await once(maker, 'message');
  await using store = fileStore(path);
  assert.equal(await store.set('key', 1), true);
  await exited;
});

test('the file and those beside it belong to their owner alone, whatever the umask', async () => {
  await using directory = await temporaryDirectory();
  const umask = process.umask(0);
  try {
    const path = join(directory.path, 'state', 'store.db');
    await using store = fileStore(path);
    await store.set('key', 1);
    const mode = (of: string) => statSync(of).mode & 0o777;
    assert.equal(mode(join(directory.path, 'state')), 0o700);
    assert.deepEqual([path, `${path}-wal`, `${path}-shm`].map(mode), [0o600, 0o600, 0o600]);
  } finally {
    process.umask(umask);
  }
});

test('a file that others could read is made private', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'store.db');
  await fileStore(path)[Symbol.asyncDispose]();
  chmodSync(path, 0o644);
  await using _store = fileStore(path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

const unusable: readonly (readonly [title: string, make: (path: string) => Promise<void> | void, reason: RegExp])[] = [
  ['a file of text', (path) => writeFileSync(path, 'no database '.repeat(1000)), /it is not a database/],
  ['a damaged page', damage, /it is damaged/],
  ['a file that was cut off', cutOff, /it is damaged/],
  ["another program's database", (path) => sql(path, 'create table a (b)'), /another program/],
  ['a database of a newer version', newer, /newer version/],
  ['a directory', (path) => mkdirSync(path), /it is a directory/],
];

for (const [title, make, reason] of unusable)
  test(`${title} is refused at the start with one sentence that names the file`, async () => {
    await using directory = await temporaryDirectory();
    const path = title.startsWith('a path')
      ? join(directory.path, 'file', 'store.db')
      : join(directory.path, 'store.db');
    await make(path);
    assert.throws(
      () => fileStore(path),
      (error: Error) => reason.test(error.message) && error.message.includes(path) && !error.message.includes('\n'),
    );
  });

async function damage(path: string): Promise<void> {
  await fill(path);
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.fill(0xa5, 5 * 4096, 9 * 4096));
}

async function cutOff(path: string): Promise<void> {
  await fill(path);
  writeFileSync(path, readFileSync(path).subarray(0, 6 * 4096));
}

async function newer(path: string): Promise<void> {
  await fill(path);
  sql(path, 'pragma user_version = 1000');
}

async function fill(path: string): Promise<void> {
  await using store = fileStore(path);
  await Promise.all(numbers(200, (n) => store.set(`key:${n}`, 'x'.repeat(1000))));
}

function sql(path: string, text: string): void {
  using database = new DatabaseSync(path);
  database.exec(text);
}

test('expired records are taken out of the file by and by', async (t) => {
  t.mock.timers.enable({ apis: ['Date', 'setInterval'], now: Date.now() });
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'store.db');
  await using store = fileStore(path);
  await Promise.all(numbers(1200, (n) => store.set(`key:${n}`, n, { ttl: 5 })));
  await store.set('kept', 1, { ttl: 60 });
  await store.set('for ever', 1);
  t.mock.timers.tick(10_000);
  using file = new DatabaseSync(path);
  const rows = () => Number(file.prepare('select count(*) as rows from records').get()?.rows);
  while (rows() > 2) await wait(5);
  assert.deepEqual((await keysOf(store, '')).sort(), ['for ever', 'kept']);
});
