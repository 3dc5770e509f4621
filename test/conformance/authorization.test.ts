import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { browser } from '../support/browser.ts';
import { answering, freePort } from '../support/free-port.ts';
import { people, register, testGateway } from '../support/oauth-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const program = createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/dist/index.js');

interface Check {
  readonly id: string;
  readonly status: string;
  readonly errorMessage?: string;
}

/** The suite prints an authorization URL and waits for the callback; a person goes there and through our pages. */
async function authorizationSuite(url: string, options: readonly string[], port: number): Promise<string[]> {
  await using directory = await temporaryDirectory();
  const words = ['authorization', '--url', url, '-p', String(port), '-o', directory.path, ...options];
  const child = spawn(process.execPath, [program, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'close');
  let report = '';
  for await (const line of createInterface(child.stdout)) {
    report += `${line}\n`;
    if (!line.startsWith(`${url}/authorize?`)) continue;
    const back = await browser().authorize(line, { username: 'alice', password: people.alice });
    // It prints the URL before it listens.
    await answering(port);
    await (await fetch(back)).text();
  }
  const [code] = await exited;
  assert.equal(code, 0, report);
  const folders = await readdir(directory.path);
  const files = folders.map((folder) => readFile(join(directory.path, folder, 'checks.json'), 'utf8'));
  const checks = (await Promise.all(files)).flatMap((text): Check[] => JSON.parse(text));
  return checks.map(({ id, status, errorMessage }) => `${id} ${status} ${errorMessage ?? ''}`.trimEnd()).sort();
}

for (const [title, names] of [
  ['for one server', (url: string) => ['--resource', `${url}/one/mcp`]],
  ['without a resource, as clients older than RFC 8707 do', () => []],
] as const) {
  test(`the official authorization scenarios pass without a warning ${title}`, async () => {
    await using at = await testGateway();
    const port = await freePort();
    const redirect_uris = [`http://127.0.0.1:${port}/callback`];
    const { client_id } = await register(at.url, { client_name: 'Conformance', redirect_uris });
    assert.deepEqual(await authorizationSuite(at.url, ['--client-id', client_id, ...names(at.url)], port), [
      'authorization-code-grant SUCCESS',
      'authorization-server-metadata SUCCESS',
      'authorization-server-metadata-cimd SUCCESS',
    ]);
  });
}
