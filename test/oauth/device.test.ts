import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  allowInsecureRequests,
  discovery,
  initiateDeviceAuthorization,
  None,
  pollDeviceAuthorizationGrant,
} from 'openid-client';
import { browser, type Page, type TestBrowser } from '../support/browser.ts';
import {
  knock,
  people,
  postForm,
  refresh,
  register,
  type TestGateway,
  type Tokens,
  testGateway,
} from '../support/oauth-client.ts';

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

interface Begun {
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete: string;
  readonly expires_in: number;
  readonly interval: number;
}

describe('the device authorization grant', () => {
  let at: TestGateway;
  let clientId: string;
  before(async () => {
    at = await testGateway();
    const metadata = { client_name: 'A television', redirect_uris: [], grant_types: [deviceGrant, 'refresh_token'] };
    clientId = (await register(at.url, metadata)).client_id;
  });
  after(async () => await at[Symbol.asyncDispose]());

  async function begin(more: Record<string, string> = {}): Promise<Begun> {
    const response = await postForm(`${at.url}/device_authorization`, {
      client_id: clientId,
      resource: `${at.url}/one/mcp`,
      ...more,
    });
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal(response.headers.get('cache-control'), 'no-store');
    return (await response.json()) as Begun;
  }

  async function poll(code: string, more: Record<string, string> = {}): Promise<Tokens> {
    const fields = { grant_type: deviceGrant, client_id: clientId, device_code: code, ...more };
    return (await (await postForm(`${at.url}/token`, fields)).json()) as Tokens;
  }

  /** From the verification URI to the page that asks. */
  async function asked(
    person: TestBrowser,
    url: string,
    code: string,
    user: keyof typeof people = 'alice',
  ): Promise<Page> {
    const login = await person.open(url);
    const page = login.text.includes('Password')
      ? await person.press(login, 'login', { username: user, password: people[user] })
      : login;
    return await person.press(page, 'continue', { user_code: code });
  }

  test('RFC 8628 §3, §6.1: a person types the code, sees who asks, allows it, and the device gets its tokens once', async () => {
    const begun = await begin();
    assert.match(begun.user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
    assert.equal((await poll(begun.device_code)).error, 'authorization_pending');
    const person = browser();
    const page = await asked(person, begun.verification_uri, begun.user_code.toLowerCase().replace('-', ' '));
    assert.match(page.text, /A television/);
    assert.match(page.text, new RegExp(begun.user_code));
    assert.match((await person.press(page, 'allow')).text, /Go back to your device/);
    const tokens = await poll(begun.device_code);
    assert.equal((await knock(at.url, tokens.access_token)).status, 400, 'let in');
    assert.equal((await knock(at.url, tokens.access_token, 'two')).status, 401, 'for the resource it asked for alone');
    assert.equal((await refresh(at.url, clientId, tokens.refresh_token)).status, 200);
    assert.equal((await poll(begun.device_code)).error, 'invalid_grant');
  });

  test('RFC 8628 §3.3.1, §5.4: the complete URI fills the code in and still asks, naming the code and the danger', async () => {
    const begun = await begin();
    const person = browser();
    const login = await person.open(begun.verification_uri_complete);
    const page = await person.press(login, 'login', { username: 'alice', password: people.alice });
    assert.ok(page.html.includes(`value="${begun.user_code}"`));
    assert.equal((await poll(begun.device_code)).error, 'authorization_pending');
    const confirm = await person.press(page, 'continue');
    assert.match(confirm.text, /If somebody sent you here or told you the code, deny/);
  });

  test('RFC 8628 §3.5: who denies, denies', async () => {
    const begun = await begin();
    const person = browser();
    await person.press(await asked(person, begun.verification_uri, begun.user_code), 'deny');
    assert.equal((await poll(begun.device_code)).error, 'access_denied');
  });

  test('RFC 8628 §3.5: who polls too soon is told to slow down, each time more', async () => {
    const { device_code: code } = await begin();
    const answers = [];
    for (let time = 0; time < 4; time++) answers.push((await poll(code)).error);
    assert.deepEqual(answers, ['authorization_pending', 'slow_down', 'slow_down', 'slow_down']);
  });

  test('RFC 8628 §3.4: of many polls at the same moment one gets the tokens', async () => {
    const begun = await begin();
    const person = browser();
    await person.press(await asked(person, begun.verification_uri, begun.user_code), 'allow');
    const answers = await Promise.all([1, 2, 3, 4].map(() => poll(begun.device_code)));
    assert.equal(answers.filter(({ access_token: token }) => token !== undefined).length, 1);
  });

  test('RFC 8628 §5.2: another client cannot redeem the code, nor use it up', async () => {
    const begun = await begin();
    const person = browser();
    await person.press(await asked(person, begun.verification_uri, begun.user_code), 'allow');
    const other = await register(at.url, { client_name: 'Thief', redirect_uris: [], grant_types: [deviceGrant] });
    assert.equal((await poll(begun.device_code, { client_id: other.client_id })).error, 'invalid_grant');
    assert.ok((await poll(begun.device_code)).access_token);
  });

  test('RFC 8628 §5.1: codes cannot be guessed: after ten wrong ones a person waits, with the right one too', async () => {
    const begun = await begin();
    const person = browser();
    let page = await asked(person, begun.verification_uri, 'BBBB-BBBB', 'bob');
    for (let time = 0; time < 9; time++) page = await person.press(page, 'continue', { user_code: 'BBBB-BBBB' });
    page = await person.press(page, 'continue', { user_code: begun.user_code });
    assert.equal(page.status, 429);
  });

  test('RFC 8628 §3.3: the answer to the page of one person is no answer of another', async () => {
    const begun = await begin();
    const person = browser();
    const page = await asked(person, begun.verification_uri, begun.user_code);
    for (const fields of [{ as: 'forged' }, { user_code: (await begin()).user_code }]) {
      const again = await person.press(page, 'allow', fields);
      assert.match(again.text, /Let A television in on another device\?/);
    }
    assert.equal((await poll(begun.device_code)).error, 'authorization_pending');
    const forged = await person.press(page, 'allow', { csrf: 'forged' });
    assert.equal(forged.status, 403);
  });

  for (const [what, fields, error] of [
    ['an unknown device code', { device_code: 'none' }, 'invalid_grant'],
    ['no device code', { device_code: '' }, 'invalid_request'],
  ] as const) {
    test(`RFC 8628 §3.4: ${what} is ${error}`, async () => assert.equal((await poll('x', fields)).error, error));
  }

  test('RFC 8628 §3.1: a client that is not registered for the grant cannot begin it, and an unknown resource is invalid_target', async () => {
    const { client_id: plain } = await register(at.url, { client_name: 'Plain' });
    const refused = await postForm(`${at.url}/device_authorization`, { client_id: plain });
    assert.equal(((await refused.json()) as { error: string }).error, 'unauthorized_client');
    const target = await postForm(`${at.url}/device_authorization`, {
      client_id: clientId,
      resource: 'https://elsewhere.example/mcp',
    });
    assert.equal(((await target.json()) as { error: string }).error, 'invalid_target');
  });

  test('RFC 8628 §4: openid-client finds the endpoint and completes the grant', async () => {
    const config = await discovery(new URL(at.url), clientId, {}, None(), {
      execute: [allowInsecureRequests],
      algorithm: 'oauth2',
    });
    const begun = await initiateDeviceAuthorization(config, { resource: `${at.url}/one/mcp` });
    const person = browser();
    await person.press(await asked(person, begun.verification_uri, begun.user_code), 'allow');
    const tokens = await pollDeviceAuthorizationGrant(config, { ...begun, interval: 0.01 });
    assert.equal((await knock(at.url, tokens.access_token)).status, 400, 'let in');
  });
});
