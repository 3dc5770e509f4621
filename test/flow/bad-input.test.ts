import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { everything } from '../support/everything.ts';
import { initializeParams, mcpClient } from '../support/mcp-client.ts';
import { runProgram, startProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a configuration with five faults reports all five by their paths, and serve does not start', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'bad.json');
  const bad = {
    publicUrl: 'http://mcp.example.com',
    mcpServer: {},
    auth: { accessTokenLifetime: '1 hour' },
    mcpServers: { a: { comand: 'x' }, b: { command: 'x', idleTimeout: 5 } },
  };
  writeFileSync(file, JSON.stringify(bad));
  for (const verb of ['check', 'serve']) {
    const { code, stderr, stdout } = await runProgram([verb, '-c', file]);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    for (const path of [
      'publicUrl',
      'mcpServer',
      'auth.accessTokenLifetime',
      'mcpServers.a.comand',
      'mcpServers.b.idleTimeout',
    ]) {
      assert.match(stderr, new RegExp(`^  ${path.replaceAll('.', '\\.')}: `, 'm'));
    }
    assert.doesNotMatch(stderr, /\n\s+at /, 'no stack trace');
  }
});

test('wrong usage is exit 2, and every verb has help with an example', async () => {
  assert.equal((await runProgram(['serve', '--no-such-option'])).code, 2);
  assert.equal((await runProgram(['no-such-verb'])).code, 2);
  for (const verb of ['serve', 'check', 'routes', 'config', 'version']) {
    const { code, stdout } = await runProgram([verb, '--help']);
    assert.equal(code, 0);
    assert.match(stdout, /Examples:\n {2}\$ mcp-gateway/);
  }
});

test('a port in use is one sentence that says which and what to do', async () => {
  await using first = await startProgram({ args: ['--', 'true'] });
  const { code, stderr } = await runProgram(['serve', '--listen', new URL(first.url).host, '--', 'true']);
  assert.equal(code, 1);
  assert.match(stderr, /^mcp-gateway: .*\n$/);
  assert.match(stderr, new RegExp(new URL(first.url).port));
});

test('a command that is not there, one that ends at once and one that prints garbage are 5xx; the others go on', async () => {
  const servers = {
    missing: { command: 'no-such-program-anywhere' },
    ends: { command: 'false' },
    garbage: { command: 'sh', args: ['-c', 'echo this is no message; exec sleep 60'], requestTimeout: '1s' },
    good: { command: everything[0] ?? '', args: everything.slice(1) },
  };
  const mcpServers = Object.fromEntries(
    Object.entries(servers).map(([name, server]) => [name, { ...server, public: true }]),
  );
  await using program = await startProgram({ config: { mcpServers } });
  for (const name of ['missing', 'ends', 'garbage']) {
    const response = await mcpClient(`${program.url}/${name}/mcp`).post({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: initializeParams(),
    });
    assert.ok(response.status >= 500, `${name}: ${response.status}`);
    assert.match(await response.text(), /"error"/);
  }
  const client = mcpClient(`${program.url}/good/mcp`);
  const post = (body: string) => client.post(body);
  assert.equal((await post('{"broken')).status, 400);
  assert.equal((await post('[]')).status, 400);
  assert.equal((await client.post({ jsonrpc: '2.0', id: 1, method: 'ping' })).status, 400, 'no session id');
  const unknown = { 'mcp-session-id': 'a'.repeat(22) };
  assert.equal((await client.post({ jsonrpc: '2.0', id: 1, method: 'ping' }, unknown)).status, 404);
  assert.equal((await post('x'.repeat(33 * 1024 * 1024))).status, 413);
  const answer = await client.request('initialize', initializeParams());
  assert.ok(answer.result, 'the good server still answers');
});

test('check tries each server and names the ones that do not work', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'gateway.config.json');
  const mcpServers = {
    good: { command: everything[0], args: everything.slice(1) },
    bad: { command: 'no-such-program' },
  };
  writeFileSync(file, JSON.stringify({ entrypoints: { http: { listen: '127.0.0.1:0' } }, mcpServers }));
  const { code, stdout, stderr } = await runProgram(['check', '--json'], { cwd: directory.path });
  assert.equal(code, 1);
  const findings = JSON.parse(stdout) as { what: string; verdict: string; detail: string }[];
  const of = (what: string) => findings.find((finding) => finding.what === what);
  assert.equal(of('mcpServers.good initialize')?.verdict, 'ok');
  assert.match(of('mcpServers.good initialize')?.detail ?? '', /everything/);
  assert.equal(of('mcpServers.bad.command')?.verdict, 'fault');
  assert.match(stderr, /check found/);
});

test('routes prints the table in match order, built-in routes first', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'gateway.config.json');
  writeFileSync(
    file,
    JSON.stringify({ mcpServers: { files: { command: 'x' }, open: { command: 'x', public: true } } }),
  );
  const { code, stdout } = await runProgram(['routes', '-c', file]);
  assert.equal(code, 0);
  assert.match(stdout, /built-in +files +guarded/);
  assert.match(stdout, /built-in +open +public/);
  const rows = JSON.parse((await runProgram(['routes', '-c', file, '--json'])).stdout) as { name: string }[];
  assert.ok(rows.some(({ name }) => name === '/token'));
});
