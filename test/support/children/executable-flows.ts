/**
 * The main flows against a program whose command line is given, in a directory DIRECTORY that the program calls SEEN:
 * `executable-flows.ts DIRECTORY SEEN PROGRAM WORDS…`. Ends with 0 if all held. The program gets no environment at all.
 */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { browser } from '../browser.ts';
import { freePort } from '../free-port.ts';
import { initialized } from '../mcp-client.ts';
import { people, signedIn } from '../oauth-client.ts';

const [directory = '', seen = '', program = '', ...words] = process.argv.slice(2);
const config = join(seen, 'gateway.config.json');

async function run(args: readonly string[], input = ''): Promise<string> {
  const child = spawn(program, [...words, ...args], { stdio: ['pipe', 'pipe', 'pipe'], cwd: directory, env: {} });
  child.stdin.end(input);
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  assert.equal(code, 0, `${args.join(' ')}: ${err}${out}`);
  return out;
}

/** Exit code 1 and one sentence. */
async function refused(args: readonly string[], sentence: RegExp): Promise<void> {
  const child = spawn(program, [...words, ...args], { stdio: ['ignore', 'ignore', 'pipe'], cwd: directory, env: {} });
  const [err, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  assert.equal(code, 1, args.join(' '));
  assert.match(err, /^mcp-gateway: [^\n]+\n$/);
  assert.match(err, sentence);
}

const json = async (...args: string[]) => JSON.parse(await run([...args, '--json']));

for (const file of ['server.mjs', 'misbehaviour.mjs'])
  copyFileSync(join(import.meta.dirname, file), join(directory, file));
copyFileSync(process.execPath, join(directory, 'node'));
const listen = `127.0.0.1:${await freePort()}`;
const where = ['--public-url', `http://${listen}`, '--listen', listen, '--state-dir', join(seen, 'state')];
const server = ['--name', 'one', '--', join(seen, 'node'), join(seen, 'server.mjs')];
await run(['init', '-c', config, '--user', 'alice', ...where, ...server], `${people.alice}\n`);
const file = join(directory, 'gateway.config.json');
const made = JSON.parse(readFileSync(file, 'utf8'));
writeFileSync(file, JSON.stringify({ ...made, auth: { ...made.auth, admins: ['alice'] } }));
assert.equal((await json('version')).singleExecutable, true);
assert.match(await run(['config', 'schema']), /"mcpServers"/);
assert.match(await run(['completion', 'bash']), /complete /);
assert.match(await run(['routes', '-c', config]), /\/one\/mcp/);
await run(['check', '-c', config, '--offline']);
assert.match(await run(['config', 'show', '-c', config]), /"hash": "\[masked\]"/);
const theirs = { mcpServers: { two: { command: 'two' } } };
writeFileSync(join(directory, 'claude.json'), JSON.stringify(theirs));
assert.deepEqual((await json('import', join(seen, 'claude.json'))).mcpServers.two, theirs.mcpServers.two);
writeFileSync(join(directory, 'acme.json'), '{}');
await refused(['cert', 'import', join(seen, 'acme.json'), '-c', config], /acme\.json/);
await refused(['service', 'install', '-c', config], /./);
await refused(['service', 'uninstall'], /systemd does not run here/);

const gateway = spawn(program, [...words, 'serve', '-c', config], {
  stdio: ['ignore', 'pipe', 'pipe'],
  cwd: directory,
  env: {},
});
const errors = text(gateway.stderr);
const ended = once(gateway, 'close');
try {
  await Promise.race([
    once(gateway.stdout, 'data'),
    ended.then(async () => Promise.reject(new Error(`serve ended: ${await errors}`))),
  ]);
  const { tokens } = await signedIn(`http://${listen}`);
  const bearer = (token: string) => initialized(`http://${listen}/one/mcp`, { authorization: `Bearer ${token}` });
  const client = await bearer(tokens.access_token);
  const { result } = await client.request('tools/list');
  assert.ok(Array.isArray(result?.tools) && result.tools.length > 0);
  const known = ['-c', config];
  const status = await json('status', ...known);
  assert.equal(status.servers[0].children.length, 1);
  assert.equal((await json('client', 'list', ...known)).length, 1);
  assert.equal((await json('key', 'list', ...known)).length, 1);
  const [{ id }] = await json('client', 'list', ...known);
  assert.equal((await json('client', 'show', id, ...known)).grants.length, 1);
  await json('client', 'delete', id, ...known);
  await run(['user', 'add', 'carol', ...known], 'a password of hers\n');
  assert.equal((await json('user', 'list', ...known)).length, 2);
  await json('user', 'remove', 'carol', ...known);
  await json('key', 'rotate', ...known);
  assert.deepEqual(await json('cert', 'list', ...known), []);
  await refused(['cert', 'renew', ...known], /tls is not configured/);
  const added = await json('client', 'add', '--redirect-uri', 'https://a.example/cb', ...known);
  assert.ok((await json('client', 'list', ...known)).some((each: { id: string }) => each.id === added.id));
  const { token, id: tokenId } = await json('token', 'issue', '--user', 'alice', '--server', 'one', ...known);
  await (await bearer(token)).end();
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'pipe', version: '1' } };
  const asked = `${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })}\n`;
  const header = ['--header', `Authorization: Bearer ${token}`, '--state-dir', join(seen, 'connect')];
  assert.match(await run(['connect', ...header, `http://${listen}/one/mcp`], asked), /"serverInfo"/);
  assert.equal((await json('token', 'list', ...known)).length, 1);
  await json('token', 'revoke', tokenId, ...known);
  assert.deepEqual(await json('token', 'list', ...known), []);
  assert.match(await run(['check', ...known]), /tools\/list|ok/);
  await run(['reload', ...known]);
  const person = browser();
  const opened = await person.press(await person.open(`http://${listen}/console`), 'login', {
    username: 'alice',
    password: people.alice,
  });
  assert.match(opened.html, /\/console\/main\.js/);
  const cookie = [...person.cookies].map((pair) => pair.join('=')).join('; ');
  const script = await fetch(`http://${listen}/console/main.js`, { headers: { cookie } });
  assert.match(await script.text(), /EventSource/);
} finally {
  gateway.kill();
}
assert.deepEqual(await ended, [0, null], await errors);
await run(['backup', join(seen, 'kept.backup'), '-c', config]);
assert.ok(existsSync(join(directory, 'kept.backup')));
await run(['restore', join(seen, 'kept.backup'), '--replace', '-c', config]);
