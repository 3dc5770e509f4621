import assert from 'node:assert/strict';
import { readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/bridged.ts';
import { httpFixture } from '../support/fixture/http.ts';
import { initialized } from '../support/mcp-client.ts';
import { modernClient } from '../support/modern-client.ts';
import { runProgram, startProgram } from '../support/program.ts';
import { listening } from '../support/remote-server.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const script = fileURLToPath(new URL('../support/children/server.mjs', import.meta.url));

test('log.audit: who called which tool with what outcome, by requests of both eras and to a url, and what operators did; never the arguments', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'audit.log');
  await using other = await listening(httpFixture('legacy'));
  const config = {
    entrypoints: { http: { listen: '127.0.0.1:0' } },
    stateDir: join(directory.path, 'state'),
    log: { audit: file },
    mcpServers: {
      files: { command: process.execPath, args: [script], public: true, tools: { deny: ['pid'] } },
      far: { url: other.url, public: true },
    },
  };
  await using program = await startProgram({ config });
  const events = (path = file) =>
    readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  const client = await initialized(`${program.url}/files/mcp`);
  await client.request('tools/list');
  await client.call('echo', { text: 'not for the log' });
  await client.post({ jsonrpc: '2.0', id: 9, method: 'tools/call', params: { name: 'pid' } }).then((res) => res.text());
  const modern = modernClient(`${program.url}/files/mcp`, { 'x-request-id': 'mine' });
  await modern.call('nothing-like-it');
  await (await initialized(`${program.url}/far/mcp`)).call('test_simple_text');

  assert.equal(statSync(file).mode & 0o777, 0o600);
  const called = () => events().filter(({ event }) => event === 'called');
  await eventually('four calls are on record', () => called().length === 4);
  const calls = called();
  assert.deepEqual(
    calls.map(({ server, method, tool, era, outcome }) => [server, method, tool, era, outcome]),
    [
      ['files', 'tools/call', 'echo', 'legacy', 'ok'],
      ['files', 'tools/call', 'pid', 'legacy', 'refused'],
      ['files', 'tools/call', 'nothing-like-it', 'modern', 'error'],
      ['far', 'tools/call', 'test_simple_text', 'legacy', 'ok'],
    ],
  );
  assert.deepEqual([calls[2]?.requestId, calls[2]?.clientAddress], ['mine', '127.0.0.1']);
  assert.ok(!readFileSync(file, 'utf8').includes('not for the log'));

  // As logrotate does it.
  renameSync(file, `${file}.1`);
  await program.reload(config);
  await runProgram(['client', 'add', '--redirect-uri', 'https://a.example/cb', '--state-dir', config.stateDir]);
  assert.deepEqual(
    events().map(({ event, operation }) => [event, operation]),
    [
      ['configuration reloaded', undefined],
      ['administered', 'POST /clients'],
    ],
  );
});

test('an audit log that cannot be opened keeps the gateway from starting, and says which', async () => {
  const config = { log: { audit: '/nowhere/audit.log' }, mcpServers: { files: { command: 'true' } } };
  await assert.rejects(startProgram({ config }), /log\.audit: \/nowhere\/audit\.log cannot be opened/);
});
