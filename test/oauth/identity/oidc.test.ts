import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { JWTPayload } from 'jose';
import { oidcConfig } from '../../../src/oauth/identity/oidc-config.ts';
import { browser } from '../../support/browser.ts';
import { type FakeOidc, fakeOidc } from '../../support/fake-oidc.ts';
import {
  authorizationUrl,
  knock,
  pkce,
  redeem,
  refresh,
  register,
  type TestGateway,
  testGateway,
} from '../../support/oauth-client.ts';

const member = { sub: 'u-1', email: 'Ada@Example.org', email_verified: true };

async function logIn(at: TestGateway, provider = 'corp'): Promise<{ back: URL; clientId: string; verifier: string }> {
  const { client_id: clientId } = await register(at.url, { client_name: `Client ${Math.random()}` });
  const { verifier, challenge } = pkce();
  const back = await browser().authorize(authorizationUrl(at.url, clientId, challenge), { provider });
  return { back, clientId, verifier };
}

describe('logging in with OpenID Connect', () => {
  let provider: FakeOidc;
  let at: TestGateway;
  const gatewayWith = (allow: object, more: object = {}) => {
    const { issuer, clientId, clientSecret } = provider;
    return testGateway({ auth: { login: { oidc: { name: 'corp', issuer, clientId, clientSecret, allow, ...more } } } });
  };
  before(async () => {
    provider = await fakeOidc();
    at = await gatewayWith({ emails: ['ada@example.org'] });
  });
  after(async () => {
    await at[Symbol.asyncDispose]();
    await provider[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    provider.person = member;
    provider.lie = {};
    provider.userinfo = {};
  });

  test('OpenID Connect Core §3.1: a person whom the list names logs in and uses a server', async () => {
    const { back, clientId, verifier } = await logIn(at);
    const { body } = await redeem(at.url, clientId, { code: back.searchParams.get('code') ?? '', verifier });
    const claims = JSON.parse(Buffer.from(body.access_token.split('.')[1] ?? '', 'base64url').toString());
    assert.deepEqual([claims.sub, claims.username], ['corp:u-1', 'Ada@Example.org']);
    assert.equal((await knock(at.url, body.access_token)).status, 400, 'let in');
    const sent = provider.asked.at(-1);
    assert.equal(sent?.get('code_challenge_method'), 'S256');
    assert.equal(sent?.get('scope'), 'openid email profile');
    assert.ok((sent?.get('nonce') ?? '').length >= 43);
  });

  test('RFC 9700 §4.7.1: two tabs opened at once in a browser that was never here both come back from the provider', async () => {
    const screen = browser();
    const urls = await Promise.all(
      [1, 2].map(async () => {
        const { client_id: clientId } = await register(at.url, { client_name: `Client ${Math.random()}` });
        return authorizationUrl(at.url, clientId, pkce().challenge);
      }),
    );
    const backs = await Promise.all(urls.map((url) => screen.authorize(url, { provider: 'corp' })));
    for (const back of backs) assert.ok(back.searchParams.get('code'), back.href);
  });

  const people: [string, object, JWTPayload, object, boolean][] = [
    ['by e-mail address', { emails: [' ADA@example.ORG '] }, member, {}, true],
    ['by domain', { domains: ['Example.org'] }, member, {}, true],
    ['by domain with an at sign', { domains: ['@example.org'] }, member, {}, true],
    ['by subject', { subjects: ['u-1'] }, { sub: 'u-1' }, {}, true],
    ['by group', { groups: ['Staff'] }, { sub: 'u-1', groups: ['others', 'staff'] }, {}, true],
    ['by a group that userinfo tells', { groups: ['staff'] }, { sub: 'u-1' }, { sub: 'u-1', groups: ['staff'] }, true],
    ['by an address that userinfo tells', { emails: ['ada@example.org'] }, { sub: 'u-1' }, member, true],
    ['by everybody', { subjects: ['*'] }, { sub: 'u-9' }, {}, true],
    [
      'by an address that its domain owner vouches for',
      { domains: ['example.org'] },
      { ...member, email_verified: undefined, xms_edov: '1' },
      {},
      true,
    ],
    ['nowhere', {}, member, {}, false],
    [
      'by an address that is not verified',
      { emails: ['ada@example.org'] },
      { ...member, email_verified: false },
      {},
      false,
    ],
    [
      'by an address of unknown worth',
      { domains: ['example.org'] },
      { sub: 'u-1', email: 'ada@example.org' },
      {},
      false,
    ],
    [
      'by a domain that only ends alike',
      { domains: ['example.org'] },
      { ...member, email: 'ada@not-example.org' },
      {},
      false,
    ],
    [
      'by a domain before the last at sign',
      { domains: ['example.org'] },
      { ...member, email: '"a@example.org"@evil.test' },
      {},
      false,
    ],
    [
      'by the userinfo of somebody else',
      { groups: ['staff'] },
      { sub: 'u-1' },
      { sub: 'u-2', groups: ['staff'] },
      false,
    ],
    ['by groups that are no list', { groups: ['staff'] }, { sub: 'u-1', groups: 'staff' }, {}, false],
    ['by another subject in other letters', { subjects: ['u-2'] }, member, {}, false],
  ];
  for (const [how, allow, person, userinfo, allowed] of people) {
    test(`OpenID Connect Core §5.7: a person named ${how} is ${allowed ? 'let in' : 'refused'}`, async () => {
      await using gateway = await gatewayWith(allow);
      provider.person = person;
      provider.userinfo = { ...userinfo };
      if (allowed) assert.ok((await logIn(gateway)).back.searchParams.get('code'));
      else await assert.rejects(logIn(gateway), /is not allowed to use this gateway/);
    });
  }

  const now = () => Math.floor(Date.now() / 1000);
  const lies: [string, FakeOidc['lie']][] = [
    ['§3.1.3.7, 2: another issuer', { claims: { iss: 'https://elsewhere.example' } }],
    ['§3.1.3.7, 3: another audience', { claims: { aud: 'another client' } }],
    ['§3.1.3.7, 4: two audiences and no azp', { claims: { aud: ['gateway at the provider', 'another client'] } }],
    ['§3.1.3.7, 5: an azp that is another client', { claims: { azp: 'another client' } }],
    ['§3.1.3.7, 6: the signature of another key', { alg: 'other key' }],
    ['§3.1.3.7, 6: a key id of nobody', { kid: 'nobody', alg: 'other key' }],
    ['§3.1.3.7, 7: the algorithm none', { alg: 'none' }],
    ['§3.1.3.7, 8: a signature by the shared secret', { alg: 'HS256' }],
    ['§3.1.3.7, 9: an end that has passed', { claims: { exp: now() - 120 } }],
    ['§3.1.3.7, 10: no iat', { claims: { iat: undefined as never } }],
    ['§3.1.3.7, 11: another nonce', { claims: { nonce: 'replayed' } }],
    ['§3.1.3.7, 11: no nonce', { claims: { nonce: undefined } }],
    ['§2: no sub', { claims: { sub: undefined as never } }],
  ];
  for (const [what, lie] of lies) {
    test(`OpenID Connect Core ${what} is no login, told on our page`, async () => {
      provider.lie = lie;
      await assert.rejects(logIn(at), /What corp said about you is not valid/);
    });
  }

  for (const [what, iss] of [
    ['of another issuer', 'https://elsewhere.example'],
    ['without the iss it promised', null],
  ] as const) {
    test(`RFC 9207 §2.4: an answer ${what} is a mix-up and no login`, async () => {
      provider.lie = { iss };
      await assert.rejects(logIn(at), /did not come from corp/);
    });
  }

  test('OpenID Connect Discovery §4.3: a document of another issuer is not believed', async () => {
    provider.lie = { issuer: 'https://elsewhere.example' };
    await using fresh = await gatewayWith({ emails: ['*'] });
    await assert.rejects(logIn(fresh), /not set up as this gateway expects/);
    provider.lie = {};
    assert.ok((await logIn(fresh)).back.searchParams.get('code'), 'the failure is not kept');
  });

  test('RFC 6749 §4.1.2.1: Cancel at the provider goes back to the client as access_denied', async () => {
    provider.person = {};
    assert.equal((await logIn(at)).back.searchParams.get('error'), 'access_denied');
  });

  test('a refresh asks the lists as they are now', async () => {
    await using gateway = await gatewayWith({ domains: ['example.org'] });
    const { back, clientId, verifier } = await logIn(gateway);
    const { body } = await redeem(gateway.url, clientId, { code: back.searchParams.get('code') ?? '', verifier });
    assert.equal((await refresh(gateway.url, clientId, body.refresh_token)).status, 200);
  });

  test('a provider that does not answer is a page to try again, never a 500', async () => {
    const gone = await fakeOidc();
    const { issuer, clientId, clientSecret } = gone;
    await gone[Symbol.asyncDispose]();
    await using gateway = await testGateway({
      auth: { login: { oidc: { name: 'corp', issuer, clientId, clientSecret, allow: { emails: ['*'] } } } },
    });
    await assert.rejects(logIn(gateway), /could not be reached/);
  });

  test('RFC 9700 §4.4: with two providers, the answer of one is not taken for the other', async () => {
    await using other = await fakeOidc();
    const both = [provider, other].map(({ issuer, clientId, clientSecret }, index) => ({
      ...{ name: ['corp', 'evil'][index], issuer, clientId, clientSecret, allow: { emails: ['*'] } },
    }));
    await using gateway = await testGateway({ auth: { login: { oidc: both } } });
    assert.ok((await logIn(gateway, 'corp')).back.searchParams.get('code'));
    assert.ok((await logIn(gateway, 'evil')).back.searchParams.get('code'));
    other.lie = { iss: provider.issuer };
    await assert.rejects(logIn(gateway, 'evil'), /did not come from evil/);
  });

  test('none of it leaves a secret in the log', () => {
    assert.ok(!at.logged().includes(provider.clientSecret));
    assert.ok(!at.logged().includes('id_token'));
  });
});

const common = { clientId: 'c', clientSecret: 's' };
const issuers: [object, string | undefined][] = [
  [{ preset: 'google' }, 'https://accounts.google.com'],
  [{ preset: 'entra', issuer: '0a1b' }, 'https://login.microsoftonline.com/0a1b/v2.0'],
  [{ preset: 'auth0', issuer: 'acme.eu.auth0.com' }, 'https://acme.eu.auth0.com/'],
  [{ preset: 'keycloak', issuer: 'sso.example.com/realms/main' }, 'https://sso.example.com/realms/main'],
  [{ issuer: 'https://sso.example.com' }, 'https://sso.example.com'],
  [{ issuer: 'http://sso.example.com' }, undefined],
  [{ issuer: 'sso.example.com' }, undefined],
  [{ preset: 'entra' }, undefined],
  [{}, undefined],
  [{ issuer: 'https://sso.example.com', scopes: ['email'] }, undefined],
  [{ issuer: 'https://sso.example.com', name: 'github' }, undefined],
];
for (const [written, issuer] of issuers) {
  test(`the provider ${JSON.stringify(written)} ${issuer === undefined ? 'is refused' : `is ${issuer}`}`, () => {
    const parsed = oidcConfig.safeParse({ ...common, ...written });
    assert.equal(parsed.data?.[0]?.issuer, issuer);
  });
}
