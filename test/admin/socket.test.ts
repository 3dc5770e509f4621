import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { openAdminSocket } from '../../src/admin/socket.ts';
import { askGateway } from '../../src/commands/admin-client.ts';
import { silent } from '../../src/log.ts';
import { everything } from '../support/everything.ts';
import { initialized, initializeParams, mcpClient } from '../support/mcp-client.ts';
import { runProgram, startProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const [command, ...args] = everything;

test('the admin socket opens for its user alone, and goes with the gateway', async () => {
  await using state = await temporaryDirectory();
  const path = join(state.path, 'deep', 'admin.sock');
  {
    await using _ = await openAdminSocket(path, { 'GET /x': () => ({ x: 1 }) }, silent);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await assert.rejects(openAdminSocket(path, {}, silent), /another gateway answers there/);
  }
  assert.throws(() => statSync(path), /ENOENT/);
});

test('a socket that a killed gateway left behind is taken over', async () => {
  await using state = await temporaryDirectory();
  const path = join(state.path, 'admin.sock');
  const listener = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', listener]), 'close');
  assert.ok(statSync(path).isSocket());
  await using _ = await openAdminSocket(path, { 'GET /x': () => ({ x: 1 }) }, silent);
  assert.deepEqual(await askGateway({ stateDir: state.path }, 'GET', '/x'), { x: 1 });
});

test('what the admin socket does not understand is a clear refusal', async () => {
  await using state = await temporaryDirectory();
  const socketPath = join(state.path, 'admin.sock');
  const operations = {
    'POST /echo': ({ body }: { body: object }) => body,
    'GET /named/*': ({ name }: { name: string }) => ({ name }),
    'GET /broken': () => {
      throw new Error('it is broken');
    },
  };
  await using _ = await openAdminSocket(socketPath, operations, silent);
  const send = (method: string, path: string, text = '') =>
    new Promise<[number | undefined, string]>((resolve, reject) => {
      const asked = request({ socketPath, method, path }, async (answer) => {
        let body = '';
        for await (const chunk of answer) body += String(chunk);
        resolve([answer.statusCode, body]);
      });
      asked.on('error', reject).end(text);
    });
  const rows: [string, string, string, number, RegExp][] = [
    ['GET', '/nothing', '', 404, /no such operation/],
    ['DELETE', '/named/x', '', 404, /no such operation/],
    ['GET', '/named/a%2Fb%20c', '', 200, /"a\/b c"/],
    ['GET', '/named/%ff', '', 400, /cannot be read/],
    ['POST', '/echo', '{"a":1}', 200, /^\{"a":1\}$/],
    ['POST', '/echo', '[1]', 400, /no JSON object/],
    ['POST', '/echo', 'not json', 400, /no JSON object/],
    ['POST', '/echo', 'x'.repeat(1024 * 1024 + 1), 413, /too large/],
    ['GET', '/broken', '', 500, /it is broken/],
  ];
  for (const [method, path, text, status, body] of rows) {
    const [code, answer] = await send(method, path, text);
    assert.equal(code, status, `${method} ${path}: ${answer}`);
    assert.match(answer, body);
  }
});

test('status tells servers, children, sessions and requests of the running gateway', async () => {
  await using state = await temporaryDirectory();
  const config = {
    stateDir: state.path,
    limits: { mcp: { childrenPerCaller: 20 } },
    mcpServers: {
      tools: { command, args, public: true },
      crashing: { command: 'false', public: true },
      elsewhere: { url: 'http://127.0.0.1:9/mcp' },
    },
  };
  await using program = await startProgram({ config });
  await initialized(`${program.url}/tools/mcp`);
  const crash = { jsonrpc: '2.0', id: 1, method: 'initialize', params: initializeParams() };
  /** The wait grows with each crash, and sooner or later outlives the start of the command that is to see it. */
  const statusInTheWait = async (waits: RegExp, ...words: string[]) => {
    for (let crashes = 1; ; crashes += 1) {
      const tries = Array.from({ length: 12 }, () => mcpClient(`${program.url}/crashing/mcp`).post(crash));
      for (const answer of await Promise.all(tries)) assert.notEqual(answer.status, 200);
      const status = await runProgram(['status', '--state-dir', state.path, ...words]);
      if (crashes === 6 || waits.test(status.stdout)) return status;
    }
  };

  const json = await statusInTheWait(/backing off|stopped/, '--json');
  assert.equal(json.code, 0, json.stderr);
  const found = JSON.parse(json.stdout);
  const [tools, crashing, elsewhere] = found.servers;
  assert.equal(found.pid, program.process.pid);
  assert.equal(found.publicUrl, program.url);
  assert.equal(found.entrypoints[0].address, new URL(program.url).host);
  assert.equal(found.sessions, 1);
  assert.ok(found.requests.byStatus['2xx'] >= 2);
  assert.equal(tools.state, 'ready');
  assert.ok(tools.children[0].pid > 0);
  if (process.platform === 'linux') assert.ok(tools.children[0].rss > 1e6);
  assert.match(crashing.state, /^(?:backing off|stopped)$/);
  assert.match(crashing.lastFailure, /exited with code 1/);
  assert.equal(elsewhere.state, 'upstream');

  const text = await statusInTheWait(/backing off|stopped/);
  assert.equal(text.code, 0, text.stderr);
  assert.match(text.stdout, /^tools\s+ready\s+1\s+\d/m);
  assert.match(text.stdout, /^crashing\s+(?:backing off|stopped), next try in \d/m);
  assert.match(text.stdout, /crashing: .*exited with code 1/);
});

test('reload puts the new configuration to work, or tells its faults and changes nothing', async () => {
  await using state = await temporaryDirectory();
  const file = join(state.path, 'gateway.config.json');
  const config = (servers: object) =>
    JSON.stringify({ stateDir: join(state.path, 'state'), mcpServers: servers, auth: {} });
  writeFileSync(file, config({ one: { command: 'true' } }));
  await using program = await startProgram({ args: ['-c', file] });
  writeFileSync(file, config({ one: { command: 'true' }, two: { command: 'true' } }));
  const done = await runProgram(['reload', '-c', file]);
  assert.equal(done.code, 0, done.stderr);
  const names = async () => {
    const { stdout } = await runProgram(['status', '--json'], { cwd: state.path });
    return JSON.parse(stdout).servers.map(({ name }: { name: string }) => name);
  };
  assert.deepEqual(await names(), ['one', 'two']);
  writeFileSync(file, config({ one: { commannd: 'true' } }));
  const refused = await runProgram(['reload', '-c', file]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /did you mean "command"/);
  assert.deepEqual(await names(), ['one', 'two']);
  assert.equal(await program.stop(), 0);
});

test('a verb for the running gateway says in one sentence why it reached none', async () => {
  await using state = await temporaryDirectory();
  const stateless = join(state.path, 'stateless.json');
  writeFileSync(stateless, JSON.stringify({ mcpServers: {} }));
  const rows: [string[], RegExp][] = [
    [['status'], /which gateway\? Name its configuration with -c/],
    [['status', '-c', stateless], /names no stateDir/],
    [['status', '-c', 'missing.json'], /missing\.json: one fault\n {2}cannot be read/],
    [['status', '--state-dir', state.path], /no gateway runs here: nobody answers at .*admin\.sock/],
  ];
  await Promise.all(
    rows.map(async ([words, message]) => {
      const { code, stderr } = await runProgram(words, { cwd: state.path, env: { STATE_DIRECTORY: '' } });
      assert.equal(code, 1);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n\s+at /);
    }),
  );
  const wrong = await runProgram(['status', '--no-such-flag'], { cwd: state.path });
  assert.equal(wrong.code, 2);
});
