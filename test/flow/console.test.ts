/** The console in a real Chromium. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { type Chromium, startChromium, type Window, withoutChromium } from '../support/chromium.ts';
import { initialized } from '../support/mcp-client.ts';
import {
  codeFor,
  knock,
  people,
  redeem,
  register,
  signedIn,
  type TestGateway,
  testGateway,
} from '../support/oauth-client.ts';

let chromium: Chromium;
let at: TestGateway;
let window: Window;
let page: Page;
before(async () => {
  if (withoutChromium) return;
  chromium = await startChromium();
  const server = { command: process.execPath, args: [join(import.meta.dirname, '../support/children/server.mjs')] };
  at = await testGateway({ auth: { admins: ['alice'] }, mcpServers: { one: server, two: { command: 'true' } } });
  window = await chromium.open();
  ({ page } = window);
  await page.goto(`${at.url}/console`);
  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password').fill(people.alice);
  await page.keyboard.press('Enter');
  await page.getByText('live', { exact: true }).waitFor();
});
after(async () => {
  await chromium?.[Symbol.asyncDispose]();
  await at?.[Symbol.asyncDispose]();
});

const options = { skip: withoutChromium };

/** Never touches the mouse: presses Tab until this has the focus, and is seen to have it. */
async function tabTo(role: 'link' | 'button' | 'slider', name: string): Promise<void> {
  const wanted = page.getByRole(role, { name }).first();
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press('Tab');
    if (await wanted.evaluate((element) => element.matches(':focus-visible'))) return;
  }
  assert.fail(`Tab does not reach ${name}`);
}

test('a child that starts and one that ends are seen as they come and go', options, async () => {
  const children = page.getByRole('table', { name: /^Children/ });
  await children.getByText('None runs now').waitFor();
  const { tokens } = await signedIn(at.url);
  const client = await initialized(`${at.url}/one/mcp`, { authorization: `Bearer ${tokens.access_token}` });
  const pid = await client.call('pid');
  await children.getByRole('cell', { name: pid, exact: true }).waitFor();
  await children.getByText('password:alice').waitFor();
  await client.end();
  await children.getByText('None runs now').waitFor();
  assert.deepEqual(window.complaints, []);
});

test('by keyboard alone: to the grant, revoked after a question, and the client is out at once', options, async () => {
  const { client_id } = await register(at.url, { client_name: 'By keyboard' });
  const { body } = await redeem(at.url, client_id, await codeFor(at.url, client_id));
  await page.reload();
  await tabTo('link', 'To the content');
  await tabTo('link', 'Clients');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Revoke: By keyboard, let in by alice' }).waitFor();
  await tabTo('button', 'Revoke: By keyboard, let in by alice');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Revoke this grant?' });
  await dialog.waitFor();
  await page.keyboard.press('Escape');
  assert.notEqual((await knock(at.url, body.access_token)).status, 401, 'Escape changes nothing');
  // The focus is back at the button that asked.
  await page.keyboard.press('Enter');
  await dialog.waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByText('Revoked: By keyboard, let in by alice.').waitFor();
  assert.equal((await knock(at.url, body.access_token)).status, 401);
  await page.getByRole('button', { name: 'Revoke: By keyboard, let in by alice' }).waitFor({ state: 'detached' });
  assert.deepEqual(window.complaints, []);
});

test('a plot is read by the arrow keys, which say what they point at', options, async () => {
  await tabTo('slider', 'Memory over time');
  await page.keyboard.press('Home');
  const told = await page.getByRole('slider', { name: 'Memory over time' }).getAttribute('aria-valuetext');
  assert.match(told ?? '', /gateway (\d+(\.\d)? MB|–), children/);
});

test('the log is held still, filtered by level and text, and goes on', options, async () => {
  const lines = page.getByRole('list', { name: /^Lines of the log/ });
  const mark = async (word: string) => void (await fetch(`${at.url}/${word}`));
  await mark('before-the-pause');
  await lines.getByText('/before-the-pause').waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  await mark('while-paused');
  await page.getByText(/paused; [1-9]/).waitFor();
  assert.equal(await lines.getByText('/while-paused').count(), 0);
  await page.getByRole('button', { name: 'Pause' }).click();
  await lines.getByText('/while-paused').waitFor();
  await page.getByLabel('From').selectOption('error');
  assert.equal(await lines.getByText('/while-paused').count(), 0);
  await page.getByLabel('From').selectOption('info');
  await page.getByPlaceholder('any text of the line').fill('BEFORE-the');
  await lines.getByText('/while-paused').waitFor({ state: 'detached' });
  assert.equal(await lines.getByRole('listitem').count(), 1);
});

test('what strangers say is text, wherever it is shown', options, async () => {
  const name = '<img src=x onerror=alert(1)>';
  const { client_id } = await register(at.url, { client_name: name });
  await codeFor(at.url, client_id).then((code) => redeem(at.url, client_id, code));
  await fetch(`${at.url}/${encodeURIComponent(name)}`, { headers: { 'user-agent': '<script>alert(1)</script>' } });
  await page
    .getByRole('table', { name: /^Clients/ })
    .getByText(name, { exact: true })
    .waitFor();
  assert.equal(await page.locator('img, section script').count(), 0);
  assert.deepEqual(window.complaints, []);
});

test('a refused change says why, and changes nothing', options, async () => {
  const { clientId } = await signedIn(at.url);
  const button = page.locator(`[data-action="delete-client"][data-name="${clientId}"]`);
  await button.click();
  await at.gateway.administration.clients.delete(clientId, 'operator');
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page
    .getByRole('alert')
    .getByText(/It was not done: there is no client/)
    .waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
});

test('the page fits a narrow screen, in the dark too', options, async () => {
  const { client_id } = await register(at.url, { client_name: 'W'.repeat(150) });
  await codeFor(at.url, client_id).then((code) => redeem(at.url, client_id, code));
  await page.setViewportSize({ width: 320, height: 640 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.getByText('W'.repeat(150)).first().waitFor();
  const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
  assert.equal(await page.evaluate(overflow), 0);
});

test('a login that has ended is said, with the way back', options, async () => {
  const other = await page.context().newPage();
  await other.goto(`${at.url}/account`);
  await other.getByRole('button', { name: 'Log out' }).click();
  await page.getByText('Your login has ended').waitFor();
  await page.getByRole('link', { name: 'Log in again' }).click();
  await page.getByLabel('Password').waitFor();
});
