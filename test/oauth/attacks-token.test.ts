import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import {
  authorizationUrl,
  codeFor,
  knock,
  pkce,
  postForm,
  postJson,
  redeem,
  redirectUri,
  refresh,
  register,
  signedIn,
  type TestGateway,
  testGateway,
} from '../support/oauth-client.ts';

/** Behind the guard a POST without a session is 400: whoever gets that far was let in. */
const letIn = 400;

let at: TestGateway;
before(async () => {
  at = await testGateway({ auth: { registration: { mode: 'open', perMinute: 10_000 } } });
});
after(() => at[Symbol.asyncDispose]());

const errorOf = async (response: Response) => ((await response.json()) as { error?: string }).error;
const basic = (id: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`,
});

test('RFC 9700 §4.5: a code of another session does not fit the verifier of this one', async () => {
  const { client_id } = await register(at.url);
  const [stolen, own] = [await codeFor(at.url, client_id, {}, 'alice'), await codeFor(at.url, client_id, {}, 'bob')];
  const injected = await redeem(at.url, client_id, { code: stolen.code, verifier: own.verifier });
  assert.equal(injected.body.error, 'invalid_grant');
  assert.equal((await redeem(at.url, client_id, stolen)).status, 200, 'the attempt did not use the code up');
});

test('AU-33, RFC 6819 §4.4.1.1: a code is good for its client alone, however the thief says who it is', async () => {
  const { client_id } = await register(at.url);
  const thief = await register(at.url, { client_name: 'Thief' });
  const confidential = await register(at.url, { token_endpoint_auth_method: 'client_secret_post' });
  const proof = await codeFor(at.url, client_id);
  const fields = {
    grant_type: 'authorization_code',
    code: proof.code,
    code_verifier: proof.verifier,
    redirect_uri: redirectUri,
  };
  const attempts: [string, Promise<Response>, string][] = [
    ['as itself', postForm(`${at.url}/token`, { ...fields, client_id: thief.client_id }), 'invalid_grant'],
    [
      'with a secret of its own',
      postForm(`${at.url}/token`, {
        ...fields,
        client_id: confidential.client_id,
        client_secret: confidential.client_secret ?? '',
      }),
      'invalid_grant',
    ],
    [
      'with its own credentials and the id of the victim',
      postForm(
        `${at.url}/token`,
        { ...fields, client_id },
        basic(confidential.client_id, confidential.client_secret ?? ''),
      ),
      'invalid_request',
    ],
    [
      'with a secret for the victim',
      postForm(`${at.url}/token`, { ...fields, client_id, client_secret: 'x' }),
      'invalid_client',
    ],
    ['without a name', postForm(`${at.url}/token`, fields), 'invalid_client'],
  ];
  for (const [title, response, error] of attempts) assert.equal(await errorOf(await response), error, title);
  assert.equal((await redeem(at.url, client_id, proof)).status, 200);
});

test('AU-33, RFC 6749 §4.1.2: a code replayed by anybody but its client does not end what the client has', async () => {
  const { client_id } = await register(at.url);
  const thief = await register(at.url, { client_name: 'Thief' });
  const proof = await codeFor(at.url, client_id);
  const { body } = await redeem(at.url, client_id, proof);
  assert.equal((await redeem(at.url, thief.client_id, proof)).body.error, 'invalid_grant');
  assert.equal((await redeem(at.url, client_id, { ...proof, verifier: pkce().verifier })).body.error, 'invalid_grant');
  assert.equal((await knock(at.url, body.access_token)).status, letIn);
});

test('AU-32, RFC 7636 §4.1, §4.6, RFC 9700 §4.8: no verifier, a wrong one, the challenge itself and odd lengths are refused', async () => {
  const { client_id } = await register(at.url);
  const { code, verifier } = await codeFor(at.url, client_id);
  const fields = { grant_type: 'authorization_code', client_id, code, redirect_uri: redirectUri };
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const wrong = [
    undefined,
    '',
    challenge,
    verifier.slice(0, 42),
    `${verifier}A`,
    verifier.toUpperCase(),
    `${verifier} `,
    'A'.repeat(129),
    'A'.repeat(20_000),
    `${verifier.slice(0, -1)}\u00e9`,
    `${verifier}\0`,
  ];
  for (const code_verifier of wrong) {
    const sent = { ...fields, ...(code_verifier !== undefined && { code_verifier }) };
    const response = await postForm(`${at.url}/token`, sent);
    assert.equal(response.status, 400);
    assert.match(String(await errorOf(response)), /^invalid_(grant|request)$/, String(code_verifier));
  }
  assert.equal((await redeem(at.url, client_id, { code, verifier })).status, 200);
});

test('AU-32, RFC 7636 §4.2, RFC 9700 §2.1.1, §4.8.2: a request without a challenge gets no code that a verifier could be left out for', async () => {
  const { client_id } = await register(at.url, { token_endpoint_auth_method: 'client_secret_post' });
  const challenge = pkce().challenge;
  for (const more of [
    { code_challenge: '' },
    { code_challenge: '', code_challenge_method: '' },
    { code_challenge_method: '' },
    { code_challenge_method: 'plain' },
    { code_challenge_method: 'S512' },
    { code_challenge: `${challenge}=` },
    { code_challenge: challenge.slice(1) },
    { code_challenge: challenge.replace(/.$/, '+') },
  ]) {
    const url = authorizationUrl(at.url, client_id, challenge, more);
    const { headers } = await fetch(url, { redirect: 'manual' });
    assert.equal(
      new URL(headers.get('location') ?? '').searchParams.get('error'),
      'invalid_request',
      JSON.stringify(more),
    );
  }
});

test('AU-72, AU-73, RFC 9700 §4.14: a refresh token is good for its client alone, and widens nothing', async () => {
  const { clientId, tokens } = await signedIn(at.url);
  const thief = await signedIn(at.url, {}, 'bob');
  const theft = await refresh(at.url, thief.clientId, tokens.refresh_token);
  assert.equal(theft.body.error, 'invalid_grant');
  const widened: [string, Record<string, string>, string][] = [
    ['scope', { scope: 'mcp admin' }, 'invalid_scope'],
    ['another scope', { scope: 'admin' }, 'invalid_scope'],
    ['resource', { resource: `${at.url}/two/mcp` }, 'invalid_target'],
    ['unknown resource', { resource: 'https://evil.example/' }, 'invalid_target'],
  ];
  for (const [title, more, error] of widened) {
    assert.equal((await refresh(at.url, clientId, tokens.refresh_token, more)).body.error, error, title);
  }
  const [grant = '', ...rest] = tokens.refresh_token.split(/\.(?=[^.]+\.[^.]+$)/);
  const [, ...theirs] = thief.tokens.refresh_token.split(/\.(?=[^.]+\.[^.]+$)/);
  const crossed = [
    `${grant}.${theirs.join('.')}`,
    `${grant}.${rest.join('.').replace(/.$/, '')}`,
    `${tokens.refresh_token}x`,
    `${tokens.refresh_token} `,
  ];
  for (const token of crossed) {
    assert.equal((await refresh(at.url, clientId, token)).body.error, 'invalid_grant', 'made up of two tokens');
  }
  assert.equal((await refresh(at.url, clientId, tokens.refresh_token)).status, 200, 'no attempt used it up');
});

test('RFC 6749 §10.3: an access token is no refresh token, no code, and no other way round', async () => {
  const { clientId, tokens } = await signedIn(at.url);
  assert.equal((await refresh(at.url, clientId, tokens.access_token)).body.error, 'invalid_grant');
  const asCode = { code: tokens.refresh_token, verifier: pkce().verifier };
  assert.equal((await redeem(at.url, clientId, asCode)).body.error, 'invalid_grant');
  assert.equal((await knock(at.url, tokens.refresh_token)).status, 401);
});

test('RFC 6749 §6: a refresh token ends with its grant, and so does every access token', async () => {
  const { clientId, tokens } = await signedIn(at.url);
  const next = await refresh(at.url, clientId, tokens.refresh_token);
  await postForm(`${at.url}/revoke`, { client_id: clientId, token: next.body.access_token });
  for (const token of [tokens.refresh_token, next.body.refresh_token]) {
    assert.equal((await refresh(at.url, clientId, token)).body.error, 'invalid_grant');
  }
  for (const token of [tokens.access_token, next.body.access_token])
    assert.equal((await knock(at.url, token)).status, 401);
});

test('AU-12, RFC 9700 §4.10.2: a token for one server opens no other, nor does one whose audience only looks alike', async () => {
  const { tokens } = await signedIn(at.url);
  assert.equal((await knock(at.url, tokens.access_token)).status, letIn);
  const refused = await knock(at.url, tokens.access_token, 'two');
  assert.equal(refused.status, 401);
  assert.match(refused.headers.get('www-authenticate') ?? '', /resource_metadata="[^"]*two\/mcp".*invalid_token/);
});

test('AU-36, RFC 8707 §2: a resource that we do not protect is invalid_target, however it is written', async () => {
  const { client_id } = await register(at.url);
  const { host } = new URL(at.url);
  for (const resource of [
    'https://evil.example/one/mcp',
    `http://${host}@evil.example/one/mcp`,
    `http://user@${host}/one/mcp`,
    `${at.url}/one/mcp?x=1`,
    `${at.url}/one/mcp#`,
    `${at.url}/one`,
    `${at.url}/one/mcp/more`,
    `${at.url}/ONE/mcp`,
    '/one/mcp',
    'one',
    'urn:one',
    'javascript:alert(1)',
  ]) {
    const url = authorizationUrl(at.url, client_id, pkce().challenge, { resource });
    const { headers } = await fetch(url, { redirect: 'manual' });
    assert.equal(new URL(headers.get('location') ?? '').searchParams.get('error'), 'invalid_target', resource);
  }
  const proof = await codeFor(at.url, client_id);
  const wider = await redeem(at.url, client_id, proof, { resource: `${at.url}/two/mcp` });
  assert.equal(wider.body.error, 'invalid_target', 'the token request asks for more than was allowed');
});

test('AU-74, OAuth 2.1 §2.4, RFC 6749 §2.3, RFC 7662 §2.1: a client with a secret is asked for it everywhere, and one without has none', async () => {
  const secretive = await register(at.url, { token_endpoint_auth_method: 'client_secret_basic' });
  const open = await register(at.url, { client_name: 'Open' });
  const secret = secretive.client_secret ?? '';
  const near = `${secret.slice(0, -1)}${secret.endsWith('A') ? 'B' : 'A'}`;
  for (const path of ['/token', '/revoke', '/introspect']) {
    const fields = { grant_type: 'refresh_token', refresh_token: 'x', token: 'x' };
    const attempts: [string, Record<string, string>, Record<string, string>][] = [
      ['nothing', { client_id: secretive.client_id }, {}],
      ['an empty secret', { client_id: secretive.client_id, client_secret: '' }, {}],
      ['a wrong secret', { client_id: secretive.client_id, client_secret: 'wrong' }, {}],
      ['nearly the secret', { client_id: secretive.client_id, client_secret: near }, {}],
      ['a longer secret', { client_id: secretive.client_id, client_secret: `${secret}x` }, {}],
      ['a secret that is not ASCII', { client_id: secretive.client_id, client_secret: '\u{1f511}' }, {}],
      ['an empty secret, basic', {}, basic(secretive.client_id, '')],
      ['a wrong secret, basic', {}, basic(secretive.client_id, near)],
      ['broken base64', {}, { authorization: 'Basic ====' }],
      ['no colon', {}, { authorization: `Basic ${Buffer.from('x').toString('base64')}` }],
      ['a bearer token', {}, { authorization: `Bearer ${secret}` }],
      ['an unknown client', { client_id: 'x'.repeat(22), client_secret: secret }, {}],
      ['the secret of another', { client_id: open.client_id, client_secret: secret }, {}],
      ['an object name', { client_id: '__proto__', client_secret: secret }, {}],
    ];
    for (const [title, more, headers] of attempts) {
      const response = await postForm(at.url + path, { ...fields, ...more }, headers);
      assert.equal(response.status, 401, `${path}: ${title}`);
      assert.match(response.headers.get('www-authenticate') ?? '', /^Basic /, title);
      assert.equal(response.headers.get('cache-control'), 'no-store');
      assert.equal(await errorOf(response), 'invalid_client', title);
    }
    const both = { ...fields, client_id: secretive.client_id, client_secret: secret };
    assert.equal(
      await errorOf(await postForm(at.url + path, both, basic(secretive.client_id, secret))),
      'invalid_request',
    );
  }
});

test('OAuth 2.1 §3.2, RFC 6749 §3.2: a parameter that is sent twice is refused at every endpoint', async () => {
  const { client_id } = await register(at.url);
  for (const [path, name] of [
    ['/token', 'grant_type'],
    ['/token', 'code'],
    ['/token', 'code_verifier'],
    ['/token', 'client_id'],
    ['/token', 'redirect_uri'],
    ['/token', 'scope'],
    ['/token', 'refresh_token'],
    ['/revoke', 'token'],
    ['/introspect', 'token'],
  ] as const) {
    const fields: [string, string][] = [
      ['client_id', client_id],
      ['grant_type', 'refresh_token'],
      ['refresh_token', 'x'],
      ['token', 'x'],
    ];
    const twice: [string, string][] = [
      [name, 'a'],
      [name, 'a'],
    ];
    const response = await postForm(at.url + path, [...fields.filter(([key]) => key !== name), ...twice]);
    assert.equal(response.status, 400, `${path} ${name}`);
    assert.equal(await errorOf(response), 'invalid_request', `${path} ${name}`);
  }
  // RFC 6749 §3.2: what comes in the query is not there.
  const { code, verifier } = await codeFor(at.url, client_id);
  const query = new URLSearchParams({ client_id, grant_type: 'authorization_code', code, code_verifier: verifier });
  assert.equal((await postForm(`${at.url}/token?${query}`, {})).status, 401);
});

test('RFC 6749 §5.2: bodies too large, of another type or cut off are standard errors and never a 500', async () => {
  const { client_id } = await register(at.url);
  const large = 'x'.repeat(64 * 1024);
  for (const path of ['/token', '/revoke', '/introspect', '/authorize']) {
    assert.equal((await postForm(at.url + path, { client_id, token: large })).status, 413, path);
    for (const type of [
      'application/json',
      'text/plain',
      'multipart/form-data; boundary=x',
      'application/x-www-form-urlencodedx',
      'x',
    ]) {
      const response = await fetch(at.url + path, {
        method: 'POST',
        headers: { 'content-type': type },
        body: `client_id=${client_id}`,
      });
      assert.equal(response.status, 400, `${path} ${type}`);
    }
    const odd = ['', '&&&', '=', '%', '%zz=%', 'a=%ff%fe', '\0=\0', `client_id=${client_id}&grant_type=%00`, '{"a":1}'];
    for (const body of odd) {
      const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
      const response = await fetch(at.url + path, { method: 'POST', headers, body });
      assert.ok(response.status >= 400 && response.status < 500, `${path} ${JSON.stringify(body)}: ${response.status}`);
    }
  }
  assert.equal((await postJson(`${at.url}/register`, { client_name: large })).status, 413);
  const wrongType = await postForm(`${at.url}/register`, { redirect_uris: redirectUri });
  assert.equal(wrongType.status, 400);
  const nested = `${'['.repeat(10_000)}${']'.repeat(10_000)}`;
  assert.equal((await postJson(`${at.url}/register`, `{"redirect_uris":${nested}}`)).status, 400);
  assert.equal((await fetch(`${at.url}/authorize?client_id=${'x'.repeat(40_000)}`)).status, 431);
});

test('RFC 9110 §9.3.2, §15.5.6: every endpoint takes its own methods alone and says which', async () => {
  const cases: [string, readonly string[]][] = [
    ['/token', ['POST']],
    ['/revoke', ['POST']],
    ['/introspect', ['POST']],
    ['/register', ['POST']],
    ['/authorize', ['GET', 'POST', 'HEAD']],
    ['/jwks', ['GET', 'HEAD']],
    ['/.well-known/oauth-authorization-server', ['GET', 'HEAD']],
    ['/.well-known/oauth-protected-resource/one/mcp', ['GET', 'HEAD']],
    ['/verify', ['GET', 'POST', 'HEAD']],
  ];
  for (const [path, allowed] of cases) {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((one) => !allowed.includes(one))) {
      const response = await fetch(at.url + path, { method });
      assert.equal(response.status, 405, `${method} ${path}`);
      assert.deepEqual(new Set((response.headers.get('allow') ?? '').split(', ')), new Set(allowed), path);
    }
    // A method named in a header or a parameter is not a method.
    const override = { 'x-http-method-override': 'POST', 'x-method-override': 'POST' };
    if (path === '/token')
      assert.equal((await fetch(`${at.url}${path}?_method=POST`, { headers: override })).status, 405);
  }
});

test('AU-70, RFC 6749 §5.1: what carries a secret, or says why there is none, is kept by no cache; discovery may be', async () => {
  const client = await register(at.url, { client_name: 'Cached' });
  const { tokens } = await signedIn(at.url);
  const secret: Promise<Response>[] = [
    postForm(`${at.url}/token`, { client_id: client.client_id, grant_type: 'x' }),
    postForm(`${at.url}/token`, {}),
    postForm(`${at.url}/introspect`, { client_id: client.client_id, token: tokens.access_token }),
    postForm(`${at.url}/revoke`, { client_id: client.client_id, token: 'x' }),
    postJson(`${at.url}/register`, { redirect_uris: [redirectUri], client_name: 'Uncached' }),
    postJson(`${at.url}/register`, {}),
    fetch(client.registration_client_uri ?? '', {
      headers: { authorization: `Bearer ${client.registration_access_token}` },
    }),
    fetch(authorizationUrl(at.url, client.client_id, pkce().challenge)),
    fetch(authorizationUrl(at.url, client.client_id, '', {}), { redirect: 'manual' }),
    fetch(authorizationUrl(at.url, 'unknown', pkce().challenge)),
    fetch(`${at.url}/verify`),
    knock(at.url),
    knock(at.url, 'wrong'),
  ];
  for (const response of await Promise.all(secret)) {
    assert.equal(response.headers.get('cache-control'), 'no-store', `${response.url} ${response.status}`);
  }
  for (const path of ['/jwks', '/.well-known/oauth-authorization-server']) {
    assert.match((await fetch(at.url + path)).headers.get('cache-control') ?? '', /^public, max-age=\d+$/);
  }
});
