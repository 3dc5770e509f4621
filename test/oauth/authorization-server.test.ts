import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
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
  type TestGateway,
  type Tokens,
  testGateway,
} from '../support/oauth-client.ts';

/** Behind the guard a POST without a session is 400: whoever gets that far was let in. */
const letIn = 400;

async function signedIn(
  at: TestGateway,
  more: Record<string, string> = {},
): Promise<{ clientId: string; tokens: Tokens }> {
  const { client_id: clientId } = await register(at.url, { client_name: `Client ${Math.random()}` });
  const { status, body } = await redeem(at.url, clientId, await codeFor(at.url, clientId, more));
  assert.equal(status, 200, JSON.stringify(body));
  return { clientId, tokens: body };
}

const json = async (response: Response) => (await response.json()) as Record<string, unknown>;

test('RFC 8414 §3.3: the issuer is the public URL byte for byte, everywhere it is named', async () => {
  await using at = await testGateway();
  for (const path of ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']) {
    const response = await fetch(at.url + path, { headers: { origin: 'https://inspector.example' } });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('access-control-allow-origin'), '*');
    const metadata = await json(response);
    assert.equal(metadata.issuer, at.url);
    assert.deepEqual(metadata.code_challenge_methods_supported, ['S256']);
    assert.deepEqual(metadata.response_types_supported, ['code']);
    assert.equal(metadata.authorization_response_iss_parameter_supported, true);
    for (const [name, value] of Object.entries(metadata)) {
      if (/_endpoint$|_uri$/.test(name)) assert.ok(String(value).startsWith(`${at.url}/`), name);
    }
  }
});

test('RFC 9728 §3.1: each resource has its document under its path; other paths are 404, never 401', async () => {
  await using at = await testGateway();
  const base = `${at.url}/.well-known/oauth-protected-resource`;
  const one = await json(await fetch(`${base}/one/mcp`));
  assert.equal(one.resource, `${at.url}/one/mcp`);
  assert.deepEqual(one.authorization_servers, [at.url]);
  assert.deepEqual((await json(await fetch(`${base}/two/mcp`))).scopes_supported, ['admin']);
  // Where one server needs a scope, the scope that others are challenged with is still one a client may ask for.
  assert.deepEqual((await json(await fetch(base))).scopes_supported, ['mcp', 'admin']);
  assert.equal((await json(await fetch(base))).resource, at.url);
  assert.equal((await fetch(`${base}/three/mcp`)).status, 404);
});

test('RFC 6750 §3: without a token the challenge names no error, with a bad one invalid_token', async () => {
  await using at = await testGateway();
  const metadata = `resource_metadata="${at.url}/.well-known/oauth-protected-resource/one/mcp"`;
  for (const method of ['POST', 'GET', 'DELETE']) {
    const response = await fetch(`${at.url}/one/mcp`, { method });
    assert.equal(response.status, 401);
    const challenge = response.headers.get('www-authenticate') ?? '';
    assert.ok(challenge.startsWith('Bearer ') && challenge.includes(metadata) && challenge.includes('scope="'));
    assert.doesNotMatch(challenge, /error=/);
  }
  const bad = await knock(at.url, 'not.a.token');
  assert.equal(bad.status, 401);
  assert.match(bad.headers.get('www-authenticate') ?? '', /error="invalid_token"/);
  assert.equal((await fetch(`${at.url}/one/mcp?access_token=x`, { method: 'POST' })).status, 401);
});

test('RFC 9068 §2.2: an access token says who, for whom and for which resource, and opens that one alone', async () => {
  await using at = await testGateway();
  const { clientId, tokens } = await signedIn(at);
  const [header, claims] = tokens.access_token
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>);
  const { keys } = (await json(await fetch(`${at.url}/jwks`))) as { keys: Record<string, unknown>[] };
  assert.deepEqual({ ...header }, { alg: 'RS256', typ: 'at+jwt', kid: keys[0]?.kid });
  assert.ok(
    keys.every((key) => key.d === undefined),
    'a private key was published',
  );
  assert.equal(claims?.iss, at.url);
  assert.equal(claims?.aud, `${at.url}/one/mcp`);
  assert.equal(claims?.sub, 'password:alice');
  assert.equal(claims?.username, 'alice');
  assert.equal(claims?.client_id, clientId);
  assert.equal((await knock(at.url, tokens.access_token)).status, letIn);
  // RFC 9110 §11.1: the scheme's case does not matter.
  const lower = await knock(at.url, undefined, 'one', { authorization: `bearer ${tokens.access_token}` });
  assert.equal(lower.status, letIn);
  const other = await knock(at.url, tokens.access_token, 'two');
  assert.equal(other.status, 401);
  assert.match(other.headers.get('www-authenticate') ?? '', /invalid_token/);
});

test('RFC 8725 §3.1: no token passes that this server did not sign as it signs', async () => {
  await using at = await testGateway();
  const { tokens } = await signedIn(at);
  const [header = '', claims = '', signature = ''] = tokens.access_token.split('.');
  const { keys } = (await json(await fetch(`${at.url}/jwks`))) as { keys: Record<string, unknown>[] };
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const kid = keys[0]?.kid;
  const hs256 = `${encode({ alg: 'HS256', typ: 'at+jwt', kid })}.${claims}`;
  const forged = {
    'alg none': `${encode({ alg: 'none', typ: 'at+jwt', kid })}.${claims}.`,
    'HS256 with the public key': `${hs256}.${createHmac('sha256', JSON.stringify(keys[0])).update(hs256).digest('base64url')}`,
    'another kid': `${encode({ alg: 'RS256', typ: 'at+jwt', kid: 'x'.repeat(43) })}.${claims}.${signature}`,
    'a key of its own': `${encode({ alg: 'RS256', typ: 'at+jwt', kid, jwk: keys[0] })}.${claims}.${signature}`,
    'changed claims': `${header}.${encode({ ...JSON.parse(Buffer.from(claims, 'base64url').toString()), sub: 'password:bob' })}.${signature}`,
    'no signature': `${header}.${claims}.`,
  };
  for (const [title, token] of Object.entries(forged)) assert.equal((await knock(at.url, token)).status, 401, title);
});

test('OAuth 2.1 §4.1.3: a code is good once; a second redemption ends what the first one gave', async () => {
  await using at = await testGateway();
  const { client_id } = await register(at.url);
  const proof = await codeFor(at.url, client_id);
  const { body } = await redeem(at.url, client_id, proof);
  assert.equal((await knock(at.url, body.access_token)).status, letIn);
  assert.equal((await redeem(at.url, client_id, proof)).body.error, 'invalid_grant');
  assert.equal((await knock(at.url, body.access_token)).status, 401);
  assert.equal((await refresh(at.url, client_id, body.refresh_token)).body.error, 'invalid_grant');
});

test('OAuth 2.1 §4.1.3: of many redemptions at once at most one succeeds', async () => {
  await using at = await testGateway();
  const { client_id } = await register(at.url);
  const proof = await codeFor(at.url, client_id);
  const answers = await Promise.all(Array.from({ length: 20 }, () => redeem(at.url, client_id, proof)));
  const given = answers.filter(({ status }) => status === 200);
  assert.ok(given.length <= 1, `${given.length} redemptions`);
  for (const { body } of given)
    assert.equal((await knock(at.url, body.access_token)).status, 401, 'the replay ended it');
});

test('a code belongs to its client, its redirect URI and its verifier, and a failed theft does not use it up', async () => {
  await using at = await testGateway();
  const { client_id } = await register(at.url);
  const thief = await register(at.url, { client_name: 'Thief' });
  const proof = await codeFor(at.url, client_id);
  const attempts: [string, Promise<{ body: Tokens }>][] = [
    ['another client', redeem(at.url, thief.client_id, proof)],
    ['RFC 7636 §4.6: a wrong verifier', redeem(at.url, client_id, { ...proof, verifier: pkce().verifier })],
    ['another redirect_uri', redeem(at.url, client_id, proof, { redirect_uri: `${redirectUri}/x` })],
  ];
  for (const [title, attempt] of attempts) assert.equal((await attempt).body.error, 'invalid_grant', title);
  const fields = { grant_type: 'authorization_code', client_id, code: proof.code, redirect_uri: redirectUri };
  assert.equal((await json(await postForm(`${at.url}/token`, fields))).error, 'invalid_request', 'no verifier');
  assert.equal((await redeem(at.url, client_id, proof)).status, 200);
});

test('RFC 6749 §5.1: a token answer is JSON that nothing may cache', async () => {
  await using at = await testGateway();
  const { client_id } = await register(at.url);
  const { headers, body } = await redeem(at.url, client_id, await codeFor(at.url, client_id));
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(body.token_type, 'Bearer');
  assert.equal(body.expires_in, 1800);
});

test('OAuth 2.1 §4.3.1: refresh tokens rotate; the old one is answered the same for a while, to its client alone', async () => {
  await using at = await testGateway();
  const { clientId, tokens } = await signedIn(at);
  const first = await refresh(at.url, clientId, tokens.refresh_token);
  assert.equal(first.status, 200);
  assert.notEqual(first.body.refresh_token, tokens.refresh_token);
  const again = await refresh(at.url, clientId, tokens.refresh_token);
  assert.deepEqual(again.body, first.body);
  const thief = await register(at.url, { client_name: 'Thief' });
  assert.equal((await refresh(at.url, thief.client_id, first.body.refresh_token)).body.error, 'invalid_grant');
  assert.equal((await refresh(at.url, clientId, first.body.refresh_token)).status, 200);
});

test('RFC 9700 §4.14.2: a refresh token used again after the grace window ends its grant', async () => {
  await using at = await testGateway();
  await using strict = await testGateway({
    auth: { login: { password: { users: {} } }, refreshGrace: '0' },
  });
  assert.equal((await fetch(`${strict.url}/readyz`)).status, 200);
  const { clientId, tokens } = await signedIn(at);
  const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(at.url, clientId, tokens.refresh_token)));
  assert.equal(
    new Set(answers.map(({ body }) => body.refresh_token)).size,
    1,
    'parallel refreshes share one successor',
  );
});

test('RFC 6749 §6, RFC 8707 §2.2: a refresh widens neither scope nor resource', async () => {
  await using at = await testGateway();
  const { clientId, tokens } = await signedIn(at);
  const wider = { scope: 'mcp admin' };
  assert.equal((await refresh(at.url, clientId, tokens.refresh_token, wider)).body.error, 'invalid_scope');
  const elsewhere = { resource: `${at.url}/two/mcp` };
  assert.equal((await refresh(at.url, clientId, tokens.refresh_token, elsewhere)).body.error, 'invalid_target');
  assert.equal((await refresh(at.url, clientId, tokens.refresh_token)).status, 200, 'refused requests use nothing up');
});

test('RFC 8707 §2: case of the host and a trailing slash do not matter; an unknown resource is invalid_target', async () => {
  await using at = await testGateway();
  const { tokens } = await signedIn(at, { resource: `${at.url.replace('http', 'HTTP')}/one/mcp/` });
  assert.equal((await knock(at.url, tokens.access_token)).status, letIn);
  const { client_id } = await register(at.url);
  for (const resource of [`${at.url}/nowhere`, 'https://evil.example/one/mcp', 'one', `${at.url}/one/mcp#x`]) {
    const url = authorizationUrl(at.url, client_id, pkce().challenge, { resource });
    const response = await fetch(url, { redirect: 'manual' });
    const back = new URL(response.headers.get('location') ?? '');
    assert.equal(back.searchParams.get('error'), 'invalid_target', resource);
    assert.equal(back.searchParams.get('iss'), at.url);
    assert.equal(back.searchParams.get('state'), 'xyz');
  }
});

test('RFC 7009 §2.1, §2.2: a client revokes its own tokens, and no other client can', async () => {
  await using at = await testGateway();
  const { clientId, tokens } = await signedIn(at);
  const { client_id } = await register(at.url, { client_name: 'Other' });
  const foreign = await postForm(`${at.url}/revoke`, { client_id, token: tokens.access_token });
  assert.equal((await json(foreign)).error, 'unauthorized_client');
  assert.equal((await knock(at.url, tokens.access_token)).status, letIn);
  assert.equal((await postForm(`${at.url}/revoke`, { client_id: clientId, token: 'unknown' })).status, 200);
  assert.equal((await postForm(`${at.url}/revoke`, { client_id: clientId, token: tokens.refresh_token })).status, 200);
  assert.equal((await knock(at.url, tokens.access_token)).status, 401, 'revocation is seen at once');
});

test('RFC 7662 §2.2: a token is told about to its own client, and is dead to all others', async () => {
  await using at = await testGateway();
  const { clientId, tokens } = await signedIn(at);
  const { client_id } = await register(at.url, { client_name: 'Other' });
  const ask = async (client: string) =>
    json(await postForm(`${at.url}/introspect`, { client_id: client, token: tokens.access_token }));
  const told = await ask(clientId);
  assert.equal(told.active, true);
  assert.equal(told.username, 'alice');
  assert.deepEqual(await ask(client_id), { active: false });
  assert.equal((await postForm(`${at.url}/introspect`, { token: tokens.access_token })).status, 401);
});

test('RFC 7591 §3.2.1: a registration is answered with everything it has, and no member without a value', async () => {
  await using at = await testGateway();
  const metadata = {
    redirect_uris: [redirectUri, 'cursor://anysphere.cursor-mcp/oauth/callback', 'https://vscode.dev/redirect'],
    client_name: 'All of it',
    token_endpoint_auth_method: 'client_secret_basic',
    unknown_member: 1,
  };
  const response = await postJson(`${at.url}/register`, metadata);
  assert.equal(response.status, 201);
  const body = await json(response);
  assert.deepEqual(body.redirect_uris, metadata.redirect_uris);
  assert.equal(typeof body.client_secret, 'string');
  assert.equal(body.client_secret_expires_at, 0);
  assert.deepEqual(body.grant_types, ['authorization_code', 'refresh_token']);
  assert.ok(Object.values(body).every((value) => value !== null));
  const wrong = await postForm(
    `${at.url}/token`,
    { grant_type: 'refresh_token', refresh_token: 'x' },
    { authorization: `Basic ${Buffer.from(`${String(body.client_id)}:wrong`).toString('base64')}` },
  );
  assert.equal(wrong.status, 401);
  assert.match(wrong.headers.get('www-authenticate') ?? '', /^Basic /);
  assert.equal((await json(wrong)).error, 'invalid_client');
});

const refusedUris = [
  'http://evil.example/cb',
  'http://localhost.evil.example/cb',
  'HTTP://evil.example/cb',
  'javascript:alert(1)',
  'data:text/html,x',
  'file:///etc/passwd',
  'https://a.example/cb#fragment',
  'https://user:pw@a.example/cb',
  'not a uri',
  '/relative',
  '',
];
test('RFC 7591 §3.2.2: a redirect URI that cannot be trusted is invalid_redirect_uri', async () => {
  await using at = await testGateway();
  for (const uri of refusedUris) {
    const response = await postJson(`${at.url}/register`, { redirect_uris: [uri] });
    assert.equal(response.status, 400, uri);
    assert.match(String((await json(response)).error), /invalid_redirect_uri|invalid_client_metadata/, uri);
  }
});

test('RFC 7591 §3.2.2: a registration that is no JSON object or of the wrong types is invalid_client_metadata', async () => {
  await using at = await testGateway();
  for (const body of ['{', '[]', '"x"', { redirect_uris: 'x' }, { redirect_uris: [1] }, {}, { redirect_uris: [] }]) {
    const response = await postJson(`${at.url}/register`, body);
    assert.equal(response.status, 400, JSON.stringify(body));
    assert.match(String((await json(response)).error), /^invalid_/);
  }
  assert.equal((await postJson(`${at.url}/register`, { client_name: 'x'.repeat(100_000) })).status, 413);
});

test('RFC 7592 §2.1, §2.2, §2.3: a client reads, replaces and deletes itself by its own token only, and its grants end with it', async () => {
  await using at = await testGateway();
  const mine = await register(at.url, { client_name: 'Mine' });
  const other = await register(at.url, { client_name: 'Other' });
  const uri = mine.registration_client_uri ?? '';
  const by = (token: string | undefined, init: RequestInit = {}) =>
    fetch(uri, { ...init, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } });
  assert.equal((await fetch(uri)).status, 401);
  assert.equal((await by(other.registration_access_token)).status, 401);
  assert.equal((await json(await by(mine.registration_access_token))).client_id, mine.client_id);
  const { body } = await redeem(at.url, mine.client_id, await codeFor(at.url, mine.client_id));
  const next = {
    client_id: mine.client_id,
    client_name: 'New',
    redirect_uris: [redirectUri],
    token_endpoint_auth_method: 'none',
  };
  const put = await by(mine.registration_access_token, { method: 'PUT', body: JSON.stringify(next) });
  const updated = await json(put);
  assert.equal(updated.client_name, 'New');
  assert.equal((await by(mine.registration_access_token)).status, 401, 'the old registration access token has ended');
  const current = String(updated.registration_access_token);
  assert.equal((await by(current, { method: 'DELETE' })).status, 204);
  assert.equal((await by(current)).status, 401);
  assert.equal((await knock(at.url, body.access_token)).status, 401);
});

test('RFC 9700 §4.11: an unknown client or redirect URI is told to the person and never redirected', async () => {
  await using at = await testGateway();
  const { client_id } = await register(at.url, { redirect_uris: [redirectUri, 'https://app.example/cb'] });
  const challenge = pkce().challenge;
  const wrong = [
    { client_id: 'x'.repeat(22) },
    { client_id: '<script>alert(1)</script>' },
    { redirect_uri: 'https://app.example/cb/' },
    { redirect_uri: 'https://app.example/CB' },
    { redirect_uri: 'https://app.example/cb?x=1' },
    { redirect_uri: 'https://app.example.evil.example/cb' },
    { redirect_uri: 'https://evil.example/' },
    { redirect_uri: 'javascript:alert(1)' },
  ];
  for (const more of wrong) {
    const url = authorizationUrl(at.url, client_id, challenge, more);
    const page = await fetch(url, { redirect: 'manual', headers: { accept: 'text/html' } });
    assert.ok(page.status >= 400 && page.status < 500, JSON.stringify(more));
    assert.equal(page.headers.get('location'), null);
    assert.doesNotMatch(await page.text(), /<script/);
    const program = await fetch(url, { redirect: 'manual' });
    assert.match(String((await json(program)).error), /invalid_client|invalid_request|invalid_redirect_uri/);
  }
});

test('RFC 7636 §4.4.1: no challenge, plain, and a challenge that is none go back to the client as invalid_request', async () => {
  await using at = await testGateway();
  const { client_id } = await register(at.url);
  const wrong = [
    { code_challenge: '' },
    { code_challenge_method: 'plain' },
    { code_challenge_method: '' },
    { code_challenge: 'short' },
  ];
  for (const more of wrong) {
    const url = authorizationUrl(at.url, client_id, pkce().challenge, more);
    const back = new URL((await fetch(url, { redirect: 'manual' })).headers.get('location') ?? '');
    assert.equal(back.searchParams.get('error'), 'invalid_request', JSON.stringify(more));
  }
  const implicit = authorizationUrl(at.url, client_id, pkce().challenge, { response_type: 'token' });
  const back = new URL((await fetch(implicit, { redirect: 'manual' })).headers.get('location') ?? '');
  assert.equal(back.searchParams.get('error'), 'unsupported_response_type');
});

test('RFC 9700 §4.16: the pages are framed by nobody, cached by nobody, and run no script', async () => {
  await using at = await testGateway();
  const { client_id } = await register(at.url, { client_name: '<img src=x onerror=alert(1)>' });
  const page = await fetch(authorizationUrl(at.url, client_id, pkce().challenge), { headers: { accept: 'text/html' } });
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'.*frame-ancestors 'none'/);
  assert.equal(page.headers.get('x-frame-options'), 'DENY');
  assert.equal(page.headers.get('cache-control'), 'no-store');
  assert.match(page.headers.get('set-cookie') ?? '', /HttpOnly.*SameSite=Lax|SameSite=Lax.*HttpOnly/);
  assert.doesNotMatch(await page.text(), /<img/);
});

test('RFC 8252 §7.3: a loopback redirect URI may come with any port', async () => {
  await using at = await testGateway();
  const { client_id } = await register(at.url, { redirect_uris: ['http://127.0.0.1/callback'] });
  const { code, verifier } = await codeFor(at.url, client_id);
  assert.equal((await redeem(at.url, client_id, { code, verifier })).status, 200);
});

test('a scope that a server needs is in its challenge, and a token without it is 403 insufficient_scope', async () => {
  await using at = await testGateway();
  const two = `${at.url}/two/mcp`;
  const { tokens } = await signedIn(at, { resource: two, scope: 'admin' });
  assert.equal((await knock(at.url, tokens.access_token, 'two')).status, letIn);
  const challenge = (await knock(at.url, undefined, 'two')).headers.get('www-authenticate') ?? '';
  assert.match(challenge, /scope="admin"/);
});

test('an allow list is looked at on every request: who is not on it gets 403', async () => {
  await using at = await testGateway();
  const { tokens } = await signedIn(at);
  assert.equal((await knock(at.url, tokens.access_token)).status, letIn);
  await using closed = await testGateway({ mcpServers: { one: { command: 'true', allow: { users: ['bob'] } } } });
  const { tokens: refused } = await signedIn(closed);
  assert.equal((await knock(closed.url, refused.access_token)).status, 403);
});

test('RFC 6749 §5.2: what the token endpoint cannot read is a standard error, never a 500', async () => {
  await using at = await testGateway();
  const { client_id } = await register(at.url);
  const cases: [string, Promise<Response>, string][] = [
    ['JSON', postJson(`${at.url}/token`, {}), 'invalid_request'],
    ['nothing', postForm(`${at.url}/token`, {}), 'invalid_client'],
    ['unknown client', postForm(`${at.url}/token`, { client_id: 'x', grant_type: 'x' }), 'invalid_client'],
    ['no grant type', postForm(`${at.url}/token`, { client_id }), 'invalid_request'],
    ['password', postForm(`${at.url}/token`, { client_id, grant_type: 'password' }), 'unsupported_grant_type'],
    ['constructor', postForm(`${at.url}/token`, { client_id, grant_type: 'constructor' }), 'unsupported_grant_type'],
    [
      'twice',
      postForm(`${at.url}/token`, [
        ['client_id', client_id],
        ['client_id', client_id],
      ]),
      'invalid_request',
    ],
  ];
  for (const [title, response, error] of cases) assert.equal((await json(await response)).error, error, title);
  assert.equal((await fetch(`${at.url}/token`)).status, 405);
});

test('AU-75: no code, token, verifier, password or cookie reaches the log, at its most talkative', async () => {
  await using at = await testGateway();
  const { client_id } = await register(at.url);
  const proof = await codeFor(at.url, client_id);
  const { body } = await redeem(at.url, client_id, proof);
  await refresh(at.url, client_id, body.refresh_token);
  await knock(at.url, body.access_token);
  await fetch(`${at.url}/one/mcp?access_token=${body.access_token}`);
  const secrets = { ...proof, access: body.access_token, refresh: body.refresh_token, password: 'correct horse' };
  for (const [name, secret] of Object.entries(secrets)) {
    assert.ok(!at.logged().includes(secret), `the ${name} was logged`);
    assert.ok(!at.logged().includes(encodeURIComponent(secret)), `the ${name} was logged, encoded`);
  }
});

test('MCP transports: a page of a foreign origin is refused before any token is looked at', async () => {
  await using at = await testGateway();
  assert.equal((await knock(at.url, undefined, 'one', { origin: 'https://evil.example' })).status, 403);
  assert.equal((await knock(at.url, undefined, 'one', { origin: 'http://localhost:6274' })).status, 401);
  const preflight = await fetch(`${at.url}/one/mcp`, {
    method: 'OPTIONS',
    headers: {
      origin: 'http://localhost:6274',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,mcp-session-id',
    },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get('access-control-allow-origin'), 'http://localhost:6274');
  assert.match(preflight.headers.get('access-control-expose-headers') ?? '', /WWW-Authenticate/);
});
