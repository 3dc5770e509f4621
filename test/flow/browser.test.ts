import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { type Chromium, startChromium, type Window, withoutChromium } from '../support/chromium.ts';
import { app, fakeGitHub } from '../support/fake-github.ts';
import { freePort } from '../support/free-port.ts';
import { authorizationUrl, knock, people, pkce, redeem, register, testGateway } from '../support/oauth-client.ts';
import { serve } from '../support/serve.ts';

let chromium: Chromium;
before(async () => {
  if (!withoutChromium) chromium = await startChromium();
});
after(() => chromium?.[Symbol.asyncDispose]());

const options = { skip: withoutChromium };

/** A client whose redirect URI is a page of its own; `person` brings the browser from the authorization URL to there. */
async function authorize(
  gateway: string,
  { page, complaints }: Window,
  person: (page: Page) => Promise<void>,
): Promise<string> {
  await using client = await serve(() => ({ status: 200, headers: { 'content-type': 'text/html' }, body: '<h1>Back' }));
  const redirect_uri = `${client.url}/callback`;
  const { client_id } = await register(gateway, { client_name: 'A desktop client', redirect_uris: [redirect_uri] });
  const { verifier, challenge } = pkce();
  const back = page.waitForURL(`${redirect_uri}?**`);
  await page.goto(authorizationUrl(gateway, client_id, challenge, { redirect_uri }).href);
  await person(page);
  await back;
  const answer = new URL(page.url()).searchParams;
  assert.equal(answer.get('iss'), gateway);
  assert.equal(answer.get('state'), 'xyz');
  assert.deepEqual(complaints, []);
  const { body } = await redeem(gateway, client_id, { code: answer.get('code') ?? '', verifier }, { redirect_uri });
  return body.access_token;
}

async function fillIn(page: Page): Promise<void> {
  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password').fill(people.alice);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: 'Allow' }).click();
}

/** Never touches the mouse; presses Tab as often as it takes to reach the button. */
async function byKeyboard(page: Page): Promise<void> {
  await page.locator('input:focus').waitFor();
  await page.keyboard.type('alice');
  await page.keyboard.press('Tab');
  await page.keyboard.type(people.alice);
  await page.keyboard.press('Enter');
  const allow = page.getByRole('button', { name: 'Allow' });
  await allow.waitFor();
  for (let presses = 0; presses < 5; presses += 1) {
    await page.keyboard.press('Tab');
    if (await allow.evaluate((button) => button.matches(':focus-visible'))) return page.keyboard.press('Enter');
  }
  assert.fail('Tab does not reach Allow');
}

for (const [title, how, person] of [
  ['with the mouse', {}, fillIn],
  ['without JavaScript', { javaScriptEnabled: false }, fillIn],
  ['with the keyboard alone', {}, byKeyboard],
] as const) {
  test(`Chromium logs in, allows and returns to the client ${title}; its console stays empty`, options, async () => {
    await using at = await testGateway();
    await using window = await chromium.open(how);
    assert.equal((await knock(at.url, await authorize(at.url, window, person))).status, 400, 'let in');
  });
}

test(
  'SameSite=Lax: the round trip by an identity provider of another site comes back to the same browser',
  options,
  async () => {
    await using github = await fakeGitHub();
    const port = await freePort();
    const login = { github: { ...app, webUrl: github.url, apiUrl: `${github.url}/api/v3`, allow: { users: ['*'] } } };
    const entrypoints = { http: { listen: `127.0.0.1:${port}` } };
    await using at = await testGateway({ publicUrl: `http://localhost:${port}`, entrypoints, auth: { login } });
    await using window = await chromium.open();
    const token = await authorize(at.url, window, (page) => page.getByRole('button', { name: /GitHub/ }).click());
    assert.equal((await knock(at.url, token)).status, 400, 'let in');
  },
);

test('RFC 9700 §4.16: Chromium shows no page of ours in a frame', options, async () => {
  await using at = await testGateway();
  const { client_id } = await register(at.url);
  const target = authorizationUrl(at.url, client_id, pkce().challenge).href.replaceAll('&', '&amp;');
  await using elsewhere = await serve(() => ({
    status: 200,
    headers: { 'content-type': 'text/html' },
    body: `<iframe src="${target}"></iframe>`,
  }));
  await using window = await chromium.open();
  await window.page.goto(elsewhere.url);
  assert.match(window.complaints.join(), /frame-ancestors/);
  const [, framed] = window.page.frames();
  assert.ok(framed);
  assert.equal(await framed.getByRole('button').count(), 0);
});

test('the pages fit a narrow screen, however long the names are', options, async () => {
  await using at = await testGateway({
    mcpServers: { [`s${'x'.repeat(60)}`]: { command: 'true' }, one: { command: 'true' } },
  });
  const { client_id } = await register(at.url, { client_name: 'W'.repeat(150) });
  await using window = await chromium.open({ viewport: { width: 320, height: 640 } });
  const { page } = window;
  await page.goto(authorizationUrl(at.url, client_id, pkce().challenge, { resource: '' }).href);
  const overflow = () => page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  assert.equal(await overflow(), 0);
  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password').fill(people.alice);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: 'Allow' }).waitFor();
  assert.equal(await overflow(), 0);
});
