import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as after } from 'node:timers/promises';
import { everything } from '../support/everything.ts';
import { initializeParams, mcpClient } from '../support/mcp-client.ts';
import { startProgram } from '../support/program.ts';

/** A server that never ends by itself, forks a grandchild and ignores TERM and the end of its input. */
const stubborn = (mark: string) => [
  'sh',
  '-c',
  `trap '' TERM; sleep 600.${mark} & read -r line; printf '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"x","version":"1"}}}\\n'; while :; do sleep 600.${mark}; done`,
];

function processesWith(mark: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(`600.${mark}`);
      } catch {
        return false;
      }
    });
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`no child is left when the gateway gets ${signal} in the middle of a call`, async () => {
    const mark = String(process.pid) + String(signal.length);
    const config = {
      mcpServers: { x: { command: 'sh', args: stubborn(mark).slice(1), public: true } },
      limits: { drain: '200ms' },
    };
    await using program = await startProgram({ config });
    const client = mcpClient(`${program.url}/x/mcp`);
    const opened = await client.post({ jsonrpc: '2.0', id: 1, method: 'initialize', params: initializeParams() });
    assert.equal(opened.status, 200);
    const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' };
    await opened.text();
    const call = client.post({ jsonrpc: '2.0', id: 2, method: 'tools/list' }, session).catch(() => undefined);
    assert.ok(processesWith(mark).length > 0, 'the child and its grandchild run');
    const ended = await program.stop(signal);
    assert.equal(ended, signal === 'SIGTERM' ? 0 : 'SIGKILL');
    await call;
    for (let round = 0; processesWith(mark).length > 0 && round < 100; round += 1) await after(100);
    assert.deepEqual(processesWith(mark), []);
  });
}

test('a stop waits for calls, not for streams that only listen', { timeout: 20_000 }, async () => {
  const [command, ...args] = everything;
  const config = { mcpServers: { x: { command, args, public: true } }, limits: { drain: '60s' } };
  await using program = await startProgram({ config });
  const client = mcpClient(`${program.url}/x/mcp`);
  const opened = await client.post({ jsonrpc: '2.0', id: 1, method: 'initialize', params: initializeParams() });
  const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' };
  await opened.text();
  const stream = await client.get(session);
  assert.equal(stream.status, 200);
  const read = stream.text().catch(() => '');
  assert.equal(await program.stop('SIGTERM'), 0);
  await read;
});

test('SIGHUP reads the configuration again and the gateway goes on', async () => {
  await using program = await startProgram({ config: { mcpServers: {} } });
  assert.equal((await fetch(`${program.url}/livez`)).status, 200);
  assert.equal((await fetch(`${program.url}/readyz`)).status, 200);
  program.process.kill('SIGHUP');
  for (let round = 0; !/reloaded/.test(program.errors()) && round < 100; round += 1) await after(50);
  assert.match(program.errors(), /configuration reloaded/);
  assert.equal((await fetch(`${program.url}/readyz`)).status, 200);
});
