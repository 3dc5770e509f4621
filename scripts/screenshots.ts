/** Writes docs/screenshots/: every page a person meets, light, dark and narrow, from a running gateway in a real Chromium. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { busyGateway } from '../test/support/busy-gateway.ts';
import { startChromium } from '../test/support/chromium.ts';
import { app, fakeGitHub } from '../test/support/fake-github.ts';
import { authorizationUrl, people, pkce, postForm, register, testGateway } from '../test/support/oauth-client.ts';

const target = join(import.meta.dirname, '../docs/screenshots');
mkdirSync(target, { recursive: true });

const looks = [
  { look: 'light', colorScheme: 'light', viewport: { width: 800, height: 900 } },
  { look: 'dark', colorScheme: 'dark', viewport: { width: 800, height: 900 } },
  { look: 'narrow', colorScheme: 'light', viewport: { width: 360, height: 740 } },
] as const;

await using github = await fakeGitHub();
await using gateway = await testGateway({
  auth: {
    login: {
      github: { ...app, webUrl: github.url, apiUrl: `${github.url}/api/v3`, allow: { users: ['*'] } },
      password: { users: await passwordUsers() },
    },
  },
});
await using chromium = await startChromium();
const { client_id: clientId } = await register(gateway.url, { client_name: 'Claude' });
const { client_id: device } = await register(gateway.url, {
  client_name: 'Backup script on nas',
  redirect_uris: [],
  grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
});

for (const { look, ...options } of looks) {
  await using window = await chromium.open(options);
  const { page } = window;
  const take = (name: string) => page.screenshot({ path: join(target, `${name}-${look}.png`), fullPage: true });
  const resource = `${gateway.url}/one/mcp`;

  await page.goto(authorizationUrl(gateway.url, clientId, pkce().challenge, { resource }).href);
  await take('login');
  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
  await take('login-wrong');
  await logIn(page);
  await take('consent');

  await page.goto(`${gateway.url}/authorize?client_id=nobody`);
  await take('error');

  const begun = await postForm(`${gateway.url}/device_authorization`, { client_id: device, resource });
  const answer = (await begun.json()) as Record<'user_code' | 'device_code' | 'verification_uri_complete', string>;
  await page.goto(answer.verification_uri_complete);
  await take('device');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText(answer.user_code).first().waitFor();
  await take('device-consent');
  await page.getByRole('button', { name: 'Allow' }).click();
  const fields = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', client_id: device };
  await postForm(`${gateway.url}/token`, { ...fields, device_code: answer.device_code });

  await page.goto(`${gateway.url}/account`);
  await take('account');
}

/** Long enough for the plots to have a shape. Milliseconds. */
const aWhile = 60_000;

await using busy = await busyGateway({ auth: { admins: ['alice'] } });
await setTimeout(aWhile);
for (const { look, colorScheme, viewport } of looks) {
  await using window = await chromium.open({
    colorScheme,
    viewport: look === 'narrow' ? viewport : { width: 1360, height: 900 },
  });
  const { page } = window;
  await page.goto(`${busy.url}/console`);
  await logIn(page);
  await page
    .getByRole('table', { name: /^Clients/ })
    .getByText('Claude')
    .waitFor();
  await page.screenshot({ path: join(target, `console-${look}.png`), fullPage: true });
  await page.getByRole('button', { name: /^Revoke: Claude, let in by bob/ }).click();
  await page.screenshot({ path: join(target, `console-question-${look}.png`) });
}

async function logIn(page: Page): Promise<void> {
  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password').fill(people.alice);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
}

async function passwordUsers(): Promise<object> {
  const { hashPassword } = await import('../src/oauth/password.ts');
  return { alice: { hash: await hashPassword(people.alice, { ln: 4, r: 8, p: 1 }) } };
}
