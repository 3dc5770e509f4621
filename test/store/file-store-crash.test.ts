import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileStore } from '../../src/store/file-store.ts';
import type { Store } from '../../src/store/store.ts';
import type { Kept } from '../support/store-writer.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('kill -9 at any moment loses nothing that was promised', { timeout: 300_000 }, async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'store.db');
  const random = sequence(20_261_124);
  const kept: Kept[] = [];
  for (let crash = 0; crash < Number(process.env.STORE_CRASHES ?? 24); crash += 1) {
    const first = 1000 + Math.max(0, ...kept.slice(-100).map(({ n }) => n));
    kept.push(...(await killedWriter(path, first, 1 + Math.floor(random() * 300))));
    await using store = fileStore(path);
    for (const promise of kept) await assertKept(store, promise);
  }
  assert.ok(kept.length > 1000);
});

async function assertKept(store: Store, { n, kind, count = 0 }: Kept): Promise<void> {
  if (kind === 'set') assert.equal(((await store.get(`set:${n}`)) as { n: number } | undefined)?.n, n);
  else if (kind === 'claimed') assert.equal(await store.get(`claimed:${n}`), n);
  else if (kind === 'deleted') assert.equal(await store.get(`deleted:${n}`), undefined);
  else assert.ok(Number(await store.get('counted')) >= count);
}

/** What a writer said was kept before it was killed, which is at the latest a little after it had said `count` things. */
async function killedWriter(path: string, first: number, count: number): Promise<Kept[]> {
  const writer = spawn(process.execPath, [writerScript, path, String(first)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(writer, 'exit');
  const kept: Kept[] = [];
  for await (const line of linesOf(writer)) {
    kept.push(JSON.parse(line));
    if (kept.length === count) writer.kill('SIGKILL');
  }
  assert.deepEqual(await exit, [null, 'SIGKILL']);
  return kept;
}

const writerScript = join(import.meta.dirname, '../support/store-writer.ts');

function linesOf({ stdout }: ChildProcess): AsyncIterable<string> {
  assert.ok(stdout);
  return createInterface(stdout);
}

/** Numbers from 0 to 1, the same in every run (mulberry32). */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

test('where the disk is full a write is refused, reads go on, and writes succeed again once there is room', {
  skip: process.platform !== 'linux' && 'needs prlimit, which Linux alone has',
}, async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'store.db');
  // A limit on the size of a file gives the errors of a full disk, and can be lifted while the process runs.
  const shell = 'trap "" XFSZ; ulimit -S -f 400; exec "$0" "$@"';
  const writer = spawn('sh', ['-c', shell, process.execPath, writerScript, path, '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const kept: Kept[] = [];
  let refused = 0;
  let keptAfter = 0;
  for await (const line of linesOf(writer)) {
    const told = JSON.parse(line);
    if (told.unavailable !== undefined) {
      assert.match(told.unavailable, /the disk/);
      assert.equal(told.readable, true);
      refused += 1;
      if (refused === 50) spawn('prlimit', ['--pid', String(writer.pid), '--fsize=unlimited:']);
    } else {
      kept.push(told);
      if (refused >= 50) keptAfter += 1;
      if (keptAfter === 100) writer.kill('SIGKILL');
    }
  }
  assert.ok(refused >= 50);
  await using store = fileStore(path);
  for (const promise of kept) await assertKept(store, promise);
});
