/** `connect`, driven by clients that speak stdio alone. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as TransportV2 } from '@modelcontextprotocol/client/stdio';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { browser } from '../support/browser.ts';
import { type Desktop, desktop } from '../support/desktop.ts';
import { freePort } from '../support/free-port.ts';
import { type Program, runProgram, startProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const cli = join(import.meta.dirname, '../../src/cli.ts');
const fixture = join(import.meta.dirname, '../support/fixture/fixture.ts');
const about = { name: 'desktop', version: '1' };

const served = (eras: string) => ['--name', 'fixture', '--', process.execPath, fixture, 'stdio', eras];
const words = (home: Desktop, args: readonly string[]) => ({
  command: process.execPath,
  args: [cli, 'connect', ...args],
  env: home.environment,
});

/** Closed after each test, however it ended: each holds a process. */
const clients: (Client | ClientV2)[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});

async function through(home: Desktop, args: readonly string[]) {
  const transport = new StdioClientTransport({ ...words(home, args), stderr: 'pipe' });
  let said = '';
  transport.stderr?.on('data', (chunk) => {
    said += String(chunk);
  });
  const client = new Client(about);
  clients.push(client);
  await client.connect(transport).catch((cause: unknown) => {
    throw new Error(`connect said: ${said}`, { cause });
  });
  return { client, said: () => said };
}

async function simple({ client }: { client: Client }, name = 'test_simple_text'): Promise<string> {
  return JSON.stringify((await client.callTool({ name, arguments: {} })).content);
}

const at = (program: Program) => `${program.url}/fixture/mcp`;

test('RFC 8252: a person logs in through the browser once, whether one client starts or several at once', async () => {
  await using program = await startProgram({ args: served('legacy') });
  await using home = await desktop({ username: 'admin', password: program.password });
  const several = await Promise.all([1, 2, 3].map(() => through(home, [at(program)])));
  for (const one of several) assert.match(await simple(one), /simple text/);
  for (const { client } of several) await client.close();
  const again = await through(home, [at(program)]);
  assert.match(await simple(again), /simple text/);
  await again.client.close();
  assert.equal(home.opened.length, 1);
  assert.equal(home.opened[0]?.searchParams.get('resource'), at(program));
  const file = join(home.directory, '.local/state/mcp-gateway/connect.db');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(again.said(), '');
});

test('OAuth 2.1 §4.3: an access token that has ended is replaced without the person, and --logout takes all back', async () => {
  const config = {
    auth: { accessTokenLifetime: '11s', login: { password: { users: {} } } },
    mcpServers: {
      fixture: { command: process.execPath, args: [fixture, 'stdio', 'legacy'] },
      other: { command: process.execPath, args: [fixture, 'stdio', 'legacy'] },
    },
  };
  await using directory = await temporaryDirectory();
  await using program = await startProgram({ config: { ...config, stateDir: directory.path } });
  const added = await runProgram(['user', 'add', 'ada', '--state-dir', directory.path], {
    input: 'analytical engine\n',
  });
  assert.equal(added.code, 0, added.stderr);
  await using home = await desktop({ username: 'ada', password: 'analytical engine' });
  // Two logins at once at one issuer: neither may take the client from the other.
  const both = await Promise.all([at(program), `${program.url}/other/mcp`].map((url) => through(home, [url])));
  for (const one of both) assert.match(await simple(one), /simple text/);
  // Within its last ten seconds a token is not used any more.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  for (const one of both) assert.match(await simple(one), /simple text/);
  for (const { client } of both) await client.close();
  assert.equal(home.opened.length, 2);
  const { code } = await runProgram(['connect', '--logout', at(program)], { env: home.environment });
  assert.equal(code, 0);
  const tokens = await runProgram(['client', 'list', '--json', '--state-dir', directory.path]);
  assert.doesNotMatch(tokens.stdout, /fixture\/mcp/);
  assert.match((await runProgram(['connect', '--logout', at(program)], { env: home.environment })).stderr, /nobody is/);
});

test('RFC 8628: on a machine without a browser a code is printed, and a person allows it elsewhere', async () => {
  await using program = await startProgram({ args: served('legacy') });
  await using home = await desktop({});
  const transport = new StdioClientTransport({ ...words(home, ['--device', at(program)]), stderr: 'pipe' });
  const printed = new Promise<string>((resolve) => {
    let text = '';
    transport.stderr?.on('data', (chunk) => {
      text += String(chunk);
      const [url] = /http:\S+\/device\?\S+(?=\s)/.exec(text) ?? [];
      if (url !== undefined) resolve(url);
    });
  });
  const client = new Client(about);
  clients.push(client);
  const connected = client.connect(transport);
  const person = browser();
  const login = await person.open(await printed);
  const page = await person.press(login, 'login', { username: 'admin', password: program.password });
  await person.press(await person.press(page, 'continue'), 'allow');
  await connected;
  assert.match(await simple({ client }), /simple text/);
  assert.equal(home.opened.length, 0);
  await client.close();
});

test('MCP 2025-11-25 session management: after a restart of the gateway the client goes on, and need not know', async () => {
  await using directory = await temporaryDirectory();
  const listen = `127.0.0.1:${await freePort()}`;
  const config = {
    stateDir: directory.path,
    entrypoints: { http: { listen } },
    auth: { login: { password: { users: {} } } },
    mcpServers: { fixture: { command: process.execPath, args: [fixture, 'stdio', 'legacy'] } },
  };
  await using first = await startProgram({ config });
  await runProgram(['user', 'add', 'ada', '--state-dir', directory.path], { input: 'analytical engine\n' });
  await using home = await desktop({ username: 'ada', password: 'analytical engine' });
  const one = await through(home, [`http://${listen}/fixture/mcp`]);
  assert.match(await simple(one), /simple text/);
  await first.stop();
  await assert.rejects(simple(one), /cannot be reached/);
  await using _second = await startProgram({ config });
  assert.match(await simple(one), /simple text/);
  await one.client.close();
  assert.equal(home.opened.length, 1);
});

for (const eras of ['legacy', 'modern', 'dual']) {
  test(`the SDK v2 client, of every era, speaks by stdio to a server that is ${eras}`, async () => {
    await using program = await startProgram({ args: served(eras) });
    await using home = await desktop({ username: 'admin', password: program.password });
    for (const mode of ['legacy', 'auto', { pin: '2026-07-28' }] as const) {
      const capabilities = { elicitation: { form: {} } };
      const client = new ClientV2(about, { capabilities, versionNegotiation: { mode } });
      clients.push(client);
      client.setRequestHandler('elicitation/create', () => ({
        action: 'accept',
        content: { name: 'Ada', username: 'ada', email: 'a@example.com' },
      }));
      await client.connect(new TransportV2(words(home, [at(program)])));
      assert.equal(client.getNegotiatedProtocolVersion(), mode === 'legacy' ? '2025-11-25' : '2026-07-28');
      const { content } = await client.callTool({ name: 'test_simple_text', arguments: {} });
      assert.match(JSON.stringify(content), /simple text/);
      const asked = await client.callTool({ name: 'test_elicitation', arguments: { message: 'Who?' } });
      assert.match(JSON.stringify(asked.content), /accept/, JSON.stringify(mode));
      await client.close();
    }
    assert.equal(home.opened.length, 1);
  });
}

/** The example of the SDK, unmodified: an authorization server of its own, at another origin than the MCP server. */
async function sdkServer(): Promise<{ url: string; process: ChildProcess }> {
  const script = createRequire(import.meta.url)
    .resolve('@modelcontextprotocol/sdk/client/index.js')
    .replace(/dist\/.*$/, 'dist/esm/examples/server/simpleStreamableHttp.js');
  const [port, other] = [await freePort(), await freePort()];
  const env = { ...process.env, MCP_PORT: String(port), MCP_AUTH_PORT: String(other) };
  const child = spawn(process.execPath, [script, '--oauth'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the example ended with ${code}: ${text}`)));
    child.stdout.on('data', (chunk) => {
      text += String(chunk);
      if (/Streamable HTTP Server listening/.test(text) && /OAuth Authorization Server listening/.test(text)) resolve();
    });
  });
  return { url: `http://localhost:${port}/mcp`, process: child };
}

test('a server of the SDK with an authorization server of its own is a server like any other', async () => {
  const server = await sdkServer();
  try {
    await using home = await desktop({});
    const { client } = await through(home, [server.url]);
    const { tools } = await client.listTools();
    assert.ok(tools.some(({ name }) => name === 'greet'));
    await client.close();
    assert.equal(home.opened.length, 1);
  } finally {
    server.process.kill();
    await once(server.process, 'close');
  }
});

test('what is piped in is answered before the end, and a header from the environment takes the place of the login', async () => {
  await using directory = await temporaryDirectory();
  const config = {
    stateDir: directory.path,
    auth: { login: { password: { users: {} } } },
    mcpServers: { fixture: { command: process.execPath, args: [fixture, 'stdio', 'legacy'] } },
  };
  await using program = await startProgram({ config });
  await runProgram(['user', 'add', 'ada', '--state-dir', directory.path], { input: 'analytical engine\n' });
  const issue = ['token', 'issue', '--user', 'ada', '--server', 'fixture', '--json', '--state-dir', directory.path];
  const { token } = JSON.parse((await runProgram(issue)).stdout) as { token: string };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: about };
  const lines = [
    { jsonrpc: '2.0', id: 1, method: 'initialize', params },
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'test_simple_text', arguments: {} } },
  ];
  const input = `no JSON\n${lines.map((line) => JSON.stringify(line)).join('\n')}\n`;
  const header = ['--header', 'Authorization: Bearer $TOKEN'];
  const env = { TOKEN: token, HOME: directory.path };
  const { code, stdout, stderr } = await runProgram(['connect', ...header, at(program)], { input, env });
  assert.equal(code, 0, stderr);
  const answers = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: unknown; error?: { code: number } });
  assert.deepEqual(
    answers.map(({ id }) => id),
    [null, 1, 2],
  );
  assert.equal(answers[0]?.error?.code, -32700);
  const refused = await runProgram(['connect', ...header, at(program)], { env: { ...env, TOKEN: 'wrong' } });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^mcp-gateway: \S+ answers 401: .*\n$/);
  assert.ok(!refused.stderr.includes('wrong'));
});

test('a client that dies while it is written to ends the bridge, without a word', async () => {
  await using program = await startProgram({ args: served('legacy') });
  await using home = await desktop({ username: 'admin', password: program.password });
  const first = await through(home, [at(program)]);
  await first.client.close();
  const child = spawn(process.execPath, [cli, 'connect', at(program)], { env: home.environment });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += String(chunk);
  });
  child.stdout.destroy();
  const ended = once(child, 'close');
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: about };
  child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })}\n`);
  const [code] = await ended;
  assert.deepEqual([code, said], [0, '']);
});

test('a person who denies, and a server that is away or no MCP server, end with one sentence', async () => {
  await using program = await startProgram({ args: served('legacy') });
  await using home = await desktop({ username: 'admin', password: program.password, deny: true });
  const { environment: env } = home;
  const denied = await runProgram(['connect', at(program)], { env });
  assert.equal(denied.code, 1);
  assert.match(denied.stderr, /mcp-gateway: .*access_denied.*\n$/);
  const away = await runProgram(['connect', `http://127.0.0.1:${await freePort()}/mcp`], { env });
  assert.equal(away.code, 1);
  assert.match(away.stderr, /^mcp-gateway: http:\S+ cannot be reached: .*\n$/);
  const guarded = createServer((_req, res) => res.writeHead(401).end()).listen(0, '127.0.0.1');
  await once(guarded, 'listening');
  const { port } = guarded.address() as AddressInfo;
  const lost = await runProgram(['connect', `http://127.0.0.1:${port}/mcp`], { env });
  guarded.close();
  assert.equal(lost.code, 1);
  assert.match(lost.stderr, /^mcp-gateway: .*\n$/);
  for (const bad of [['connect'], ['connect', 'files'], ['connect', 'https://a:b@mcp.example.com/mcp']]) {
    const { code, stderr } = await runProgram(bad, { env });
    assert.ok(code === 1 || code === 2);
    assert.match(stderr, /\S/);
  }
});
