import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browser } from '../support/browser.ts';
import {
  authorizationUrl,
  people,
  pkce,
  postJson,
  redirectUri,
  register,
  type TestGateway,
  testGateway,
} from '../support/oauth-client.ts';

let at: TestGateway;
before(async () => {
  at = await testGateway({ auth: { registration: { mode: 'open', perMinute: 10_000 } } });
});
after(() => at[Symbol.asyncDispose]());

const alice = { username: 'alice', password: people.alice };

async function open(
  clientId: string,
  more: Record<string, string> = {},
  accept = 'application/json',
): Promise<Response> {
  const url = authorizationUrl(at.url, clientId, pkce().challenge, more);
  return fetch(url, { redirect: 'manual', headers: { accept } });
}

const unregistrable = [
  'http://app.example/cb',
  'HTTP://app.example/cb',
  'http://localhost.evil.example/cb',
  'http://127.0.0.1.evil.example/cb',
  'http://127.0.0.1@evil.example/cb',
  'http://evil.example#@127.0.0.1/cb',
  'http://0.0.0.0/cb',
  'http://[::]/cb',
  'http://[::ffff:10.0.0.1]/cb',
  'http://169.254.169.254/cb',
  'http://10.0.0.1/cb',
  'http:evil.example/cb',
  'https:/evil.example/cb',
  'https:evil.example',
  'https:///evil.example/cb',
  'https://',
  'https://user@app.example/cb',
  'https://user:pw@app.example/cb',
  'https://app.example/cb#',
  'https://app.example/cb#fragment',
  'https://app.example\\@evil.example/cb',
  'https://app.example/../cb',
  'https://app.example/a/%2e%2e/cb',
  'https://app.example/a/.%2E/cb',
  'https://app.example/c b',
  ' https://app.example/cb',
  'https://app.example/cb\n',
  'https://app.example/cb\r\nLocation: https://evil.example',
  'https://app.example/\u202ebc',
  'https://аpp.example/cb',
  'javascript:alert(1)',
  'JavaScript:alert(1)',
  'java\tscript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:x',
  'blob:https://app.example/1',
  'file:///etc/passwd',
  'about:blank',
  'view-source:https://app.example/',
  'intent://app#Intent;end',
  'filesystem:https://app.example/x',
  'ftp://app.example/cb',
  'ws://app.example/cb',
  'mailto:a@app.example',
  'tel:1',
  '//app.example/cb',
  '/cb',
  'app.example/cb',
  'urn',
  '*',
  'https://*',
  'https://*.example/cb',
  'https://app.example:99999/cb',
  `https://app.example/${'x'.repeat(3000)}`,
];

test('AU-31, RFC 3986 §2, RFC 9700 §4.1.3, RFC 7591 §5: no redirect URI that somebody else could answer to is registered', async () => {
  for (const uri of unregistrable) {
    for (const redirect_uris of [[uri], ['https://good.example/cb', uri]]) {
      const response = await postJson(`${at.url}/register`, { redirect_uris, token_endpoint_auth_method: 'none' });
      const { error } = (await response.json()) as { error?: string };
      assert.equal(response.status, 400, uri);
      assert.equal(error, 'invalid_redirect_uri', uri);
    }
  }
});

const registered = [
  'https://app.example/cb',
  'https://app.example/with?query=1',
  'http://127.0.0.1/callback',
  'http://localhost:3000/cb',
  'com.example.app:/cb',
];

const mismatched = [
  'https://app.example/cb/',
  'https://app.example/CB',
  'https://APP.example/cb',
  'HTTPS://app.example/cb',
  'https://app.example:443/cb',
  'https://app.example:8443/cb',
  'https://app.example./cb',
  'https://app.example/cb?',
  'https://app.example/cb?x=1',
  'https://app.example/cb#x',
  'https://app.example/cb%20',
  'https://app.example/%63b',
  'https://app.example/x/../cb',
  'https://app.example//cb',
  'https://app.example/cb/../../evil',
  'https://app.example/cb;x=1',
  'https://app.example',
  'https://app.example/',
  'https://sub.app.example/cb',
  'https://app.example.evil.example/cb',
  'https://evil.example/cb?https://app.example/cb',
  'https://evil.example/https://app.example/cb',
  'https://app.example@evil.example/cb',
  'https://app.example%40evil.example/cb',
  'https://app.example%2eevil.example/cb',
  'https://app.example\\.evil.example/cb',
  'https://evil.example\\app.example/cb',
  'https://аpp.example/cb',
  'https://app。example/cb',
  'http://app.example/cb',
  '//app.example/cb',
  'https://app.example/with',
  'https://app.example/with?query=2',
  'https://app.example/with?query=1&x=1',
  'https://app.example/with?QUERY=1',
  'http://127.0.0.1/callback/',
  'http://127.0.0.1:80/callback?x=1',
  'http://127.0.0.1:1@evil.example/callback',
  'http://127.0.0.1:x/callback',
  'http://127.0.0.1:123456/callback',
  'http://127.0.0.2/callback',
  'http://127.1/callback',
  'http://2130706433/callback',
  'http://0x7f.0.0.1/callback',
  'http://[::1]/callback',
  'http://localhost/callback',
  'https://127.0.0.1/callback',
  'https://localhost:3000/cb',
  'https://app.example:1/cb',
  'com.example.app:/cb/',
  'com.example.app://cb',
  'COM.EXAMPLE.APP:/cb',
  'com.example.app:/cb?x',
  'com.example.app.evil:/cb',
  'javascript:alert(1)',
  'data:text/html,x',
  'https://app.example/cb\r\nx: y',
  'https://app.example/cb\0',
  '%68ttps://app.example/cb',
];

test('AU-30, AU-37, RFC 9700 §2.1, §4.1, §4.11: another redirect URI is told to the person and never redirected to', async () => {
  const { client_id } = await register(at.url, { redirect_uris: registered });
  for (const redirect_uri of mismatched) {
    for (const accept of ['application/json', 'text/html']) {
      const response = await open(client_id, { redirect_uri }, accept);
      assert.equal(response.status, 400, redirect_uri);
      assert.equal(response.headers.get('location'), null, redirect_uri);
      assert.equal(response.headers.get('refresh'), null);
      const body = await response.text();
      assert.doesNotMatch(body, /http-equiv="refresh"|<a /, redirect_uri);
    }
  }
  for (const redirect_uri of registered)
    assert.equal((await open(client_id, { redirect_uri })).status, 200, redirect_uri);
  const several = await open(client_id, { redirect_uri: '' });
  assert.equal(several.status, 400, 'of several registered ones none is chosen');
});

test('RFC 8252 §7.3, §8.3: the port is free for a loopback address alone', async () => {
  const { client_id } = await register(at.url, { redirect_uris: registered });
  for (const [uri, status] of [
    ['http://127.0.0.1:1/callback', 200],
    ['http://127.0.0.1:65535/callback', 200],
    ['http://localhost:9/cb', 200],
    ['https://app.example:9/cb', 400],
  ] as const) {
    assert.equal((await open(client_id, { redirect_uri: uri })).status, status, uri);
  }
});

test('AU-37, RFC 9700 §4.11.2: without a known client nothing is redirected, whatever the redirect URI', async () => {
  const { client_id } = await register(at.url);
  for (const id of [
    '',
    'x'.repeat(22),
    `${client_id}x`,
    ` ${client_id}`,
    '../authorize',
    '<script>',
    '__proto__',
    'constructor',
  ]) {
    const response = await open(id);
    assert.equal(response.status, 400, id);
    assert.equal(response.headers.get('location'), null, id);
  }
  const { redirect_uris } = { redirect_uris: ['https://other.example/cb'] };
  await register(at.url, { redirect_uris, client_name: 'Other' });
  const borrowed = await open(client_id, { redirect_uri: 'https://other.example/cb' });
  assert.equal(borrowed.headers.get('location'), null, 'the redirect URI of another client');
});

/** Where the browser is sent when it asks for this. */
async function backFrom(clientId: string, more: Record<string, string>): Promise<URL> {
  const { headers } = await open(clientId, more);
  return new URL(headers.get('location') ?? '');
}

test('AU-34, AU-35, OAuth 2.1 §4.1.1, RFC 9207 §2, RFC 9700 §4.4: every redirect, error or not, carries iss and the exact state once', async () => {
  const { client_id } = await register(at.url);
  const state = 'a+b &c=%20"<é>\u{1f511}%25';
  const faults: [string, Record<string, string>][] = [
    ['unsupported_response_type', { response_type: 'token' }],
    ['unsupported_response_type', { response_type: 'code token' }],
    ['unsupported_response_type', { response_type: 'id_token' }],
    ['invalid_request', { response_type: '' }],
    ['invalid_request', { response_mode: 'fragment' }],
    ['invalid_request', { code_challenge: '' }],
    ['invalid_request', { code_challenge_method: 'plain' }],
    ['invalid_request', { code_challenge_method: 's256' }],
    ['invalid_request', { prompt: 'none login' }],
    ['invalid_request', { max_age: '-1' }],
    ['invalid_target', { resource: 'https://evil.example/mcp' }],
    ['login_required', { prompt: 'none' }],
  ];
  for (const [error, more] of faults) {
    const back = await backFrom(client_id, { state, ...more });
    assert.equal(`${back.origin}${back.pathname}`, redirectUri);
    assert.deepEqual(back.searchParams.getAll('error'), [error], JSON.stringify(more));
    assert.deepEqual(back.searchParams.getAll('iss'), [at.url]);
    assert.deepEqual(back.searchParams.getAll('state'), [state]);
    assert.equal(back.hash, '');
  }
  const url = authorizationUrl(at.url, client_id, pkce().challenge, { state });
  for (const deny of [false, true]) {
    const back = await browser().authorize(url, { ...alice, deny });
    assert.deepEqual(back.searchParams.getAll(deny ? 'error' : 'code').length, 1);
    assert.deepEqual(back.searchParams.getAll('iss'), [at.url]);
    assert.deepEqual(back.searchParams.getAll('state'), [state]);
  }
});

test('RFC 6749 §3.1.2: an answer joins the query that a redirect URI has, and cannot be smuggled into it', async () => {
  const redirect_uri = 'https://app.example/with?code=attacker&iss=evil';
  const { client_id } = await register(at.url, { redirect_uris: [redirect_uri] });
  const back = await backFrom(client_id, { redirect_uri, response_type: 'token', state: 'x&code=injected#' });
  assert.ok(back.href.startsWith(redirect_uri));
  assert.deepEqual(back.searchParams.getAll('code'), ['attacker'], 'only what was registered');
  assert.equal(back.searchParams.get('state'), 'x&code=injected#');
});

test('RFC 6749 §3.1: a parameter that is sent twice is refused, and those that decide where to answer do not redirect', async () => {
  const { client_id } = await register(at.url);
  const sent = authorizationUrl(at.url, client_id, pkce().challenge, { scope: 'mcp', prompt: 'consent' });
  for (const name of ['client_id', 'redirect_uri']) {
    for (const value of [sent.searchParams.get(name) ?? '', 'https://evil.example/cb']) {
      const url = new URL(sent);
      url.searchParams.append(name, value);
      const response = await fetch(url, { redirect: 'manual' });
      assert.equal(response.status, 400, name);
      assert.equal(response.headers.get('location'), null, name);
    }
  }
  for (const name of ['response_type', 'state', 'scope', 'code_challenge', 'code_challenge_method', 'prompt']) {
    const url = new URL(sent);
    url.searchParams.append(name, sent.searchParams.get(name) ?? '');
    const back = new URL((await fetch(url, { redirect: 'manual' })).headers.get('location') ?? '');
    assert.equal(back.searchParams.get('error'), 'invalid_request', name);
    assert.equal(back.searchParams.get('iss'), at.url);
  }
});
