import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { browser } from '../support/browser.ts';
import { type Desktop, desktop } from '../support/desktop.ts';
import { everything } from '../support/everything.ts';
import { freePort } from '../support/free-port.ts';
import { startProgram } from '../support/program.ts';

const proxy = createRequire(import.meta.url).resolve('mcp-remote/dist/proxy.js');

/** What a desktop client does: it starts mcp-remote, and the person logs in where the browser opens. */
async function echoThrough(home: Desktop, url: string, message: string): Promise<void> {
  const args = [proxy, url, '--silent'];
  const transport = new StdioClientTransport({ command: process.execPath, args, env: home.environment });
  const client = new Client({ name: 'desktop', version: '1' });
  await client.connect(transport);
  const answer = await client.callTool({ name: 'echo', arguments: { message } });
  assert.deepEqual(answer.content, [{ type: 'text', text: `Echo: ${message}` }]);
  await client.close();
}

test('mcp-remote logs in through the browser once, and its next start needs no person', async () => {
  await using program = await startProgram({ args: ['--name', 'everything', '--', ...everything] });
  await using home = await desktop({ username: 'admin', password: program.password });
  const url = `${program.url}/everything/mcp`;
  await echoThrough(home, url, 'grüße');
  assert.equal(home.opened.length, 1);
  assert.equal(home.opened[0]?.searchParams.get('resource'), url);
  await echoThrough(home, url, 'once more');
  assert.equal(home.opened.length, 1, 'the browser was opened again');
});

test('mcp-remote registers and logs in again where the gateway has forgotten its client', async () => {
  const args = ['--listen', `127.0.0.1:${await freePort()}`, '--name', 'everything', '--', ...everything];
  await using home = await desktop({});
  for (const message of ['first', 'second']) {
    // Nothing is kept between the two: neither clients nor grants nor keys.
    await using program = await startProgram({ args });
    home.person = { username: 'admin', password: program.password };
    await echoThrough(home, `${program.url}/everything/mcp`, message);
  }
  const [first, second] = home.opened.map(({ searchParams }) => searchParams.get('client_id'));
  assert.ok(first && second && first !== second, `${first} ${second}`);
});

test('mcp-remote on a machine without a browser prints a code, and a person allows it elsewhere', async () => {
  await using program = await startProgram({ args: ['--name', 'everything', '--', ...everything] });
  await using home = await desktop({});
  const args = [proxy, `${program.url}/everything/mcp`, '--device-code'];
  const transport = new StdioClientTransport({
    command: process.execPath,
    args,
    env: home.environment,
    stderr: 'pipe',
  });
  const printed = new Promise<string>((resolve, reject) => {
    let text = '';
    transport.stderr?.on('data', (chunk) => {
      text += String(chunk);
      const [url] = /http:\S+\/device\?\S+(?=\s)/.exec(text) ?? [];
      if (url !== undefined) resolve(url);
    });
    transport.stderr?.on('end', () => reject(new Error(`no URL: ${text}`)));
  });
  const client = new Client({ name: 'headless', version: '1' });
  const connected = client.connect(transport);
  const person = browser();
  const login = await person.open(await printed);
  const page = await person.press(login, 'login', { username: 'admin', password: program.password });
  await person.press(await person.press(page, 'continue'), 'allow');
  await connected;
  const answer = await client.callTool({ name: 'echo', arguments: { message: 'headless' } });
  assert.deepEqual(answer.content, [{ type: 'text', text: 'Echo: headless' }]);
  assert.equal(home.opened.length, 0);
  await client.close();
});
