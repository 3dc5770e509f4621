import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { silent } from '../../src/log.ts';
import { openReaper } from '../../src/mcp/reaper.ts';
import { alive, eventually } from '../support/bridged.ts';

const gateway = fileURLToPath(new URL('../support/children/reaped-gateway.ts', import.meta.url));

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test(`no child outlives a gateway that gets ${signal}, not even those that ignore TERM`, async () => {
    const running = spawn(process.execPath, [gateway], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    const [line] = await once(createInterface({ input: running.stdout }), 'line');
    const pids = JSON.parse(line) as number[];
    assert.equal(pids.length, 4);
    assert.ok(pids.every(alive));
    process.kill(-(running.pid ?? assert.fail()), signal);
    await once(running, 'exit');
    await eventually('all are gone', () => !pids.some(alive), 20_000);
  });
}

test('the watchdog ends with the reaper, and a new one takes the place of one that was killed', async () => {
  const reaper = openReaper(silent);
  const victim = spawn('/bin/sh', ['-c', 'trap "" TERM; while :; do sleep 1; done'], {
    detached: true,
    stdio: 'ignore',
  });
  const pid = victim.pid ?? assert.fail();
  reaper.add(pid);
  await reaper[Symbol.asyncDispose]();
  await eventually('what was still registered is gone', () => victim.signalCode === 'SIGKILL');
});

test('groups that were removed are left alone', async () => {
  const reaper = openReaper(silent);
  const other = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  const pid = other.pid ?? assert.fail();
  for (const group of [99_999_991, pid, 99_999_992]) reaper.add(group);
  reaper.remove(pid);
  await reaper[Symbol.asyncDispose]();
  assert.ok(alive(pid));
  other.kill('SIGKILL');
  await once(other, 'exit');
});
