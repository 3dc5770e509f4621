import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { browser, type Page, type TestBrowser } from '../support/browser.ts';
import {
  authorizationUrl,
  knock,
  people,
  pkce,
  redeem,
  redirectUri,
  refresh,
  register,
  type TestGateway,
  type Tokens,
  testGateway,
} from '../support/oauth-client.ts';

type User = keyof typeof people;

describe('/account', () => {
  let at: TestGateway;
  before(async () => {
    at = await testGateway();
  });
  after(async () => await at[Symbol.asyncDispose]());

  const logIn = async (person: TestBrowser, user: User): Promise<Page> => {
    const login = await person.open(`${at.url}/account`);
    return await person.press(login, 'login', { username: user, password: people[user] });
  };

  /** Of its own name, so that nobody shares it. */
  async function allowed(user: User, name: string): Promise<{ clientId: string; tokens: Tokens }> {
    const { client_id: clientId } = await register(at.url, { client_name: name });
    const { verifier, challenge } = pkce();
    const back = await browser().authorize(authorizationUrl(at.url, clientId, challenge), {
      username: user,
      password: people[user],
    });
    const { body } = await redeem(at.url, clientId, { code: back.searchParams.get('code') ?? '', verifier });
    return { clientId, tokens: body };
  }

  const pressFor = (person: TestBrowser, page: Page, clientId: string) => {
    const form = page.forms.find(({ fields }) => fields.some(({ name, value }) => name === 'id' && value === clientId));
    assert.ok(form, 'the page has a button for the client');
    return person.press({ ...page, forms: [form] }, 'revoke');
  };

  test('RFC 6819 §5.2.4.1: a person sees who may act for them, and where, and nobody of others', async () => {
    await allowed('alice', 'Her editor');
    await allowed('bob', 'His editor');
    const page = await logIn(browser(), 'alice');
    assert.equal(page.status, 200);
    assert.match(page.text, /Her editor/);
    assert.match(page.text, /one/);
    assert.doesNotMatch(page.text, /His editor/);
    assert.equal(page.headers['x-frame-options'], 'DENY');
    assert.match(String(page.headers['content-security-policy']), /frame-ancestors 'none'/);
    assert.equal(page.headers['cache-control'], 'no-store');
  });

  test('RFC 7009 §1, §2.1: what is taken back ends at once, for all tokens of that client, and is asked for anew', async () => {
    const { clientId, tokens } = await allowed('alice', 'To be ended');
    const other = await allowed('alice', 'To be kept');
    const person = browser();
    const after = await pressFor(person, await logIn(person, 'alice'), clientId);
    assert.match(after.text, /can no longer act for you/);
    assert.doesNotMatch(after.text, /To be ended/);
    assert.equal((await knock(at.url, tokens.access_token)).status, 401);
    assert.equal((await refresh(at.url, clientId, tokens.refresh_token)).body.error, 'invalid_grant');
    assert.notEqual((await knock(at.url, other.tokens.access_token)).status, 401);
    const again = await person.open(authorizationUrl(at.url, clientId, pkce().challenge), redirectUri);
    assert.match(again.text, /Let To be ended in/);
  });

  test('a client id of another person ends nothing', async () => {
    const { clientId, tokens } = await allowed('bob', 'Of Bob');
    await allowed('alice', 'Of Alice');
    const person = browser();
    const page = await logIn(person, 'alice');
    await person.press(page, 'revoke', { id: clientId });
    assert.notEqual((await knock(at.url, tokens.access_token)).status, 401);
  });

  test('RFC 9700 §4.7: a form without the token of this browser, or of another page, does nothing', async () => {
    const { clientId, tokens } = await allowed('alice', 'Forged upon');
    const person = browser();
    const page = await logIn(person, 'alice');
    const stranger = await browser().open(`${at.url}/account`);
    const csrf = stranger.forms[0]?.fields.find(({ name }) => name === 'csrf')?.value ?? '';
    for (const fields of [{ csrf }, { csrf: '' }, { pending: 'elsewhere' }]) {
      const refused = await person.press(page, 'revoke', { id: clientId, ...fields });
      assert.ok(refused.status >= 400, String(refused.status));
    }
    assert.notEqual((await knock(at.url, tokens.access_token)).status, 401);
  });

  test('Log out ends the login in this browser, and leaves the clients alone', async () => {
    const { tokens } = await allowed('alice', 'Still in');
    const person = browser();
    await person.press(await logIn(person, 'alice'), 'logout');
    const page = await person.open(`${at.url}/account`);
    assert.match(page.text, /Password/);
    assert.notEqual((await knock(at.url, tokens.access_token)).status, 401);
  });

  test('a client name that is markup is shown as what it is', async () => {
    await allowed('alice', '<img src=x onerror=alert(1)>');
    const page = await logIn(browser(), 'alice');
    assert.ok(page.html.includes('&lt;img src=x onerror=alert(1)&gt;'));
    assert.ok(!page.html.includes('<img'));
  });
});
