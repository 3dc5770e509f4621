import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorizationUrl, pkce, postJson, redirectUri, register, testGateway } from '../support/oauth-client.ts';

type Members = Record<string, unknown>;

const members = async (response: Response) => (await response.json()) as Members;

test('AU-50, RFC 7591 §2, §2.1, §3.2.2: what is registered is whole and fits together, or a standard error', async () => {
  await using at = await testGateway();
  const good = { redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' };
  const faults: [string, Members][] = [
    ['a method we do not have', { token_endpoint_auth_method: 'tls_client_auth' }],
    ['grants that begin nothing', { grant_types: ['refresh_token'] }],
    ['only grants we do not have', { grant_types: ['password', 'implicit'] }],
    ['a response type without its grant', { response_types: ['token'] }],
    ['two key sets', { jwks: { keys: [{ kty: 'RSA', n: 'x', e: 'AQAB' }] }, jwks_uri: 'https://a.example/jwks' }],
    ['a private key', { jwks: { keys: [{ kty: 'RSA', n: 'x', e: 'AQAB', d: 'x' }] } }],
    ['a shared key', { jwks: { keys: [{ kty: 'oct', k: 'x' }] } }],
    ['keys in the clear', { jwks_uri: 'http://a.example/jwks' }],
    ['a page that runs', { client_uri: 'javascript:alert(1)' }],
    ['a logo of data', { logo_uri: 'data:image/png;base64,x' }],
    ['a name of control characters', { client_name: 'a\u0000b' }],
    ['a name that turns the writing round', { client_name: 'evil\u202egnp.exe' }],
    ['a name too long', { client_name: 'x'.repeat(201) }],
    ['a name that is no text', { client_name: { toString: 'x' } }],
    [
      'too many redirect URIs',
      { redirect_uris: Array.from({ length: 33 }, (_, index) => `https://a.example/${index}`) },
    ],
  ];
  for (const [title, more] of faults) {
    const response = await postJson(`${at.url}/register`, { ...good, ...more });
    assert.equal(response.status, 400, title);
    assert.match(String((await members(response)).error), /^invalid_(client_metadata|redirect_uri)$/, title);
    assert.equal(response.headers.get('cache-control'), 'no-store');
  }
  const answer = await members(
    await postJson(`${at.url}/register`, {
      ...good,
      grant_types: ['authorization_code', 'implicit', 'refresh_token'],
      client_name: null,
      logo_uri: '',
      client_id: 'https://mine.example/id',
      client_secret: 'chosen by the client',
      registration_access_token: 'chosen by the client',
      __proto__: { polluted: true },
      constructor: 'x',
      software_id: 's',
    }),
  );
  assert.deepEqual(answer.grant_types, ['authorization_code', 'refresh_token']);
  assert.deepEqual(answer.response_types, ['code']);
  assert.equal(answer.software_id, 's');
  assert.match(String(answer.client_id), /^[\w-]{22}$/, 'ids are ours and look like no URL');
  assert.equal(answer.client_secret, undefined);
  assert.notEqual(answer.registration_access_token, 'chosen by the client');
  for (const name of ['client_name', 'logo_uri', 'constructor']) assert.ok(!Object.hasOwn(answer, name), name);
});

test('RFC 7592 §3, RFC 9700 §4.15: who registers the same again may not change what the first one uses', async () => {
  await using at = await testGateway();
  const first = await register(at.url);
  const second = await register(at.url);
  assert.equal(second.client_id, first.client_id, 'a public client without a secret may be shared');
  assert.equal(second.registration_access_token, undefined);
  const url = `${at.url}/register/${first.client_id}`;
  const headers = { authorization: `Bearer ${first.registration_access_token}`, 'content-type': 'application/json' };
  const taken = {
    client_id: first.client_id,
    redirect_uris: ['https://evil.example/cb'],
    token_endpoint_auth_method: 'none',
  };
  const put = await fetch(url, { method: 'PUT', headers, body: JSON.stringify(taken) });
  assert.ok(put.status >= 400, 'redirects of a shared client stay');
  assert.ok((await fetch(url, { method: 'DELETE', headers })).status >= 400);
  const secretive = { token_endpoint_auth_method: 'client_secret_post' };
  const [one, other] = [await register(at.url, secretive), await register(at.url, secretive)];
  assert.notEqual(one.client_id, other.client_id, 'a client with a secret is nobody else’s');
});

test('RFC 7591 §5, RFC 6585 §4: registrations are limited per address, by 429 that says when to come back', async () => {
  await using at = await testGateway({ auth: { registration: { mode: 'open', perMinute: 3 } } });
  for (let times = 0; times < 3; times += 1) await register(at.url, { client_name: `${times}` });
  const response = await postJson(
    `${at.url}/register`,
    { redirect_uris: [redirectUri] },
    { 'x-forwarded-for': '10.1.2.3' },
  );
  assert.equal(response.status, 429, 'an address that was made up is no other address');
  assert.ok(Number(response.headers.get('retry-after')) > 0);
});

test('RFC 4291 §2.2, RFC 7591 §5: an IPv6 host has one quota for all the addresses of its network', async () => {
  const auth = { registration: { mode: 'open', perMinute: 2 } };
  await using at = await testGateway({ auth, trustedProxies: ['127.0.0.1/32'] });
  const from = async (address: string) => {
    const metadata = { redirect_uris: [redirectUri], client_name: address, token_endpoint_auth_method: 'none' };
    return (await postJson(`${at.url}/register`, metadata, { 'x-forwarded-for': address })).status;
  };
  assert.deepEqual(
    [await from('2001:db8::1'), await from('2001:db8:0:0:ffff::2'), await from('2001:db8::3')],
    [201, 201, 429],
  );
  assert.equal(await from('2001:db8:0:1::1'), 201, 'another network');
  assert.equal(await from('192.0.2.1'), 201);
});

test('RFC 7591 §3: closed registration is neither there nor announced', async () => {
  await using at = await testGateway({ auth: { registration: 'closed' } });
  assert.equal((await postJson(`${at.url}/register`, { redirect_uris: [redirectUri] })).status, 404);
  const document = await members(await fetch(`${at.url}/.well-known/oauth-authorization-server`));
  assert.equal(document.registration_endpoint, undefined);
});

test('AU-24: metadata documents are announced, together with the method none that goes with them, unless they are off', async () => {
  for (const clientIdMetadataDocuments of [true, false]) {
    await using at = await testGateway({ auth: { clientIdMetadataDocuments } });
    const document = await members(await fetch(`${at.url}/.well-known/oauth-authorization-server`));
    assert.equal(document.client_id_metadata_document_supported === true, clientIdMetadataDocuments);
    assert.ok((document.token_endpoint_auth_methods_supported as string[]).includes('none'));
  }
});

test('AU-44, RFC 6819 §5.2.4.5: the page names the host that the answer goes to, and says that a name is not verified', async () => {
  await using at = await testGateway();
  const redirect = 'https://evil.example/cb?claude.ai';
  const { client_id } = await register(at.url, { client_name: 'Claude', redirect_uris: [redirect] });
  const url = authorizationUrl(at.url, client_id, pkce().challenge, { redirect_uri: redirect });
  const page = await (await fetch(url, { headers: { accept: 'text/html' } })).text();
  assert.match(page, /evil\.example/);
  assert.match(page, /unverified/);
  assert.doesNotMatch(page, /claude\.ai/);
});
