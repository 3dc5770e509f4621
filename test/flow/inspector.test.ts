import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { startChromium, withoutChromium } from '../support/chromium.ts';
import { type Desktop, desktop } from '../support/desktop.ts';
import { everything } from '../support/everything.ts';
import { freePort } from '../support/free-port.ts';
import { startProgram } from '../support/program.ts';

const inspector = createRequire(import.meta.url).resolve(
  '@modelcontextprotocol/inspector/clients/launcher/build/index.js',
);

/** Runs its command line to the end; It has no terminal to ask at and no keychain. */
async function inspect(home: Desktop, args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [inspector, '--cli', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...home.environment, MCP_AUTO_OPEN_ENABLED: 'true', MCP_INSPECTOR_SECRET_STORE: 'file' },
    cwd: home.directory,
  });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: Number(code), out, err };
}

const echo = ['--method', 'tools/call', '--tool-name', 'echo', '--tool-arg', 'message=grüße', '--format', 'json'];

test('MCP Inspector on the command line logs in through the browser, stays logged in, and logs in anew when told', async () => {
  await using program = await startProgram({ args: ['--name', 'everything', '--', ...everything] });
  await using home = await desktop({ username: 'admin', password: program.password });
  const callback = `http://127.0.0.1:${await freePort()}/oauth/callback`;
  const at = ['--transport', 'http', '--server-url', `${program.url}/everything/mcp`, '--callback-url', callback];
  for (const [opened, more] of [
    [0, ['--stored-auth-only']],
    [1, []],
    [1, ['--stored-auth-only']],
    [2, ['--relogin']],
  ] as const) {
    const { code, out, err } = await inspect(home, [...at, ...echo, ...more]);
    assert.equal(home.opened.length, opened, `${more}: ${err}`);
    if (opened === 0) assert.match(err, /auth_required/);
    else assert.match(out, /Echo: grüße/, err);
    assert.equal(code, opened === 0 ? 3 : 0, err);
  }
});

/** Its web client, at the URL that it prints when it listens. */
async function startWeb(home: Desktop, server: string): Promise<{ url: string } & AsyncDisposable> {
  const child = spawn(process.execPath, [inspector, '--web', '--transport', 'http', '--server-url', server], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {
      ...home.environment,
      HOST: '127.0.0.1',
      CLIENT_PORT: String(await freePort()),
      MCP_SANDBOX_PORT: String(await freePort()),
      MCP_AUTO_OPEN_ENABLED: 'false',
      MCP_INSPECTOR_SECRET_STORE: 'file',
    },
    cwd: home.directory,
  });
  const exited = once(child, 'close');
  let printed = '';
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    printed += chunk;
    if (/API_TOKEN=\w+\n/.test(printed)) break;
  }
  child.stdout.resume();
  return {
    url: /http:\S+API_TOKEN=\w+/.exec(printed)?.[0] ?? '',
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

test('MCP Inspector in Chromium goes through our pages and back, and lists the tools', {
  skip: withoutChromium,
}, async () => {
  await using program = await startProgram({ args: ['--name', 'everything', '--', ...everything] });
  await using home = await desktop({});
  await using web = await startWeb(home, `${program.url}/everything/mcp`);
  await using chromium = await startChromium();
  await using window = await chromium.open();
  const { page } = window;
  await page.goto(web.url);
  // The switch itself lies under its drawing.
  await page
    .getByRole('switch', { name: /Connect/ })
    .locator('xpath=..')
    .click();
  await page.getByLabel('User name').fill('admin');
  assert.equal(new URL(page.url()).origin, program.url);
  await page.getByLabel('Password').fill(program.password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.getByText('Tools', { exact: true }).first().click();
  await page.getByText('Echo Tool').first().waitFor();
});
