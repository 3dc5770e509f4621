import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browser } from '../support/browser.ts';
import { app, type FakeGitHub, fakeGitHub } from '../support/fake-github.ts';
import {
  authorizationUrl,
  knock,
  pkce,
  redeem,
  register,
  type TestGateway,
  testGateway,
} from '../support/oauth-client.ts';

const gatewayWith = (github: FakeGitHub, allow: object): Promise<TestGateway> =>
  testGateway({
    auth: { login: { github: { ...app, webUrl: github.url, apiUrl: `${github.url}/api/v3`, allow } } },
  });

async function logIn(at: TestGateway): Promise<{ back: URL; clientId: string; verifier: string }> {
  const { client_id: clientId } = await register(at.url, { client_name: `Client ${Math.random()}` });
  const { verifier, challenge } = pkce();
  const back = await browser().authorize(authorizationUrl(at.url, clientId, challenge), { provider: 'github' });
  return { back, clientId, verifier };
}

for (const [title, allow] of [
  ['by name, whatever its case', { users: [' OctoCat '] }],
  ['by number', { users: ['583231'] }],
  ['by organisation', { orgs: ['example'] }],
] as const) {
  test(`a person whom the allow list names ${title} logs in with GitHub and uses a server`, async () => {
    await using github = await fakeGitHub();
    await using at = await gatewayWith(github, allow);
    const { back, clientId, verifier } = await logIn(at);
    const { status, body } = await redeem(at.url, clientId, { code: back.searchParams.get('code') ?? '', verifier });
    assert.equal(status, 200);
    const claims = JSON.parse(Buffer.from(body.access_token.split('.')[1] ?? '', 'base64url').toString());
    assert.equal(claims.sub, 'github:583231');
    assert.equal(claims.username, 'octocat');
    assert.equal((await knock(at.url, body.access_token)).status, 400, 'let in');
  });
}

test('a person who is not on the list, and everybody where it is empty, is told so and gets no code', async () => {
  await using github = await fakeGitHub();
  await using at = await gatewayWith(github, { users: ['somebody-else'] });
  await using closed = await gatewayWith(github, {});
  // The page offers another account: the client hears of nothing before the person gives up.
  for (const gateway of [at, closed])
    await assert.rejects(logIn(gateway), /octocat is not allowed to use this gateway/);
});

test('RFC 6749 §4.1.2.1: Cancel at GitHub goes back to the client as access_denied, with iss and state', async () => {
  await using github = await fakeGitHub();
  await using at = await gatewayWith(github, { users: ['*'] });
  github.person = undefined;
  const { back } = await logIn(at);
  assert.equal(back.searchParams.get('error'), 'access_denied');
  assert.equal(back.searchParams.get('iss'), at.url);
  assert.equal(back.searchParams.get('state'), 'xyz');
});

test('RFC 9700 §4.7.1: a callback that this browser did not begin is refused and gives no code', async () => {
  await using github = await fakeGitHub();
  await using at = await gatewayWith(github, { users: ['*'] });
  const response = await fetch(`${at.url}/callback?code=x&state=${'s'.repeat(43)}`, { redirect: 'manual' });
  assert.ok(response.status >= 400 && response.status < 500);
  assert.equal(response.headers.get('location'), null);
});

test('MCP security best practices: nobody is sent to GitHub before allowing this very client', async () => {
  await using github = await fakeGitHub();
  await using at = await gatewayWith(github, { users: ['*'] });
  const person = browser();
  const first = await register(at.url, { client_name: 'First' });
  await person.authorize(authorizationUrl(at.url, first.client_id, pkce().challenge), { provider: 'github' });
  const second = await register(at.url, { client_name: 'Second' });
  const page = await person.open(authorizationUrl(at.url, second.client_id, pkce().challenge));
  assert.equal(page.status, 200);
  assert.equal(page.url.origin, at.url, 'the page is ours');
  assert.match(page.text, /Second/);
});
