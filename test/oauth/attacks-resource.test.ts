import assert from 'node:assert/strict';
import { type IncomingHttpHeaders, request } from 'node:http';
import { after, before, test } from 'node:test';
import { loadConfig } from '../../src/config.ts';
import {
  codeFor,
  knock,
  postForm,
  redeem,
  register,
  signedIn,
  type TestGateway,
  testGateway,
} from '../support/oauth-client.ts';
import { type Served, serve } from '../support/serve.ts';

/** Behind the guard a POST without a session is 400: whoever gets that far was let in. */
const letIn = 400;

let at: TestGateway;
let upstream: Served;
const reached: IncomingHttpHeaders[] = [];

before(async () => {
  upstream = await serve(({ req }) => {
    reached.push(req.headers);
    return { status: 200, body: {} };
  });
  at = await testGateway({
    mcpServers: {
      one: { command: 'true' },
      two: { command: 'true', scopes: ['read', 'write'] },
      tree: { command: 'true', scopes: ['files:read'] },
      own: { command: 'true', host: 'own.localhost' },
      web: { url: upstream.url, headers: { 'X-Api-Key': 'the upstream key' } },
    },
    auth: { registration: { mode: 'open', perMinute: 10_000 } },
  });
});
after(async () => {
  await at[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

interface Metadata {
  readonly resource: string;
  readonly authorization_servers: string[];
  readonly scopes_supported: string[];
}

/** As at a host of its own, which no resolver here knows. */
function get(
  path: string,
  host: string,
  method = 'GET',
): Promise<{ status: number; headers: IncomingHttpHeaders; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(path, at.url), { method, headers: { host }, agent: false }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

const prefix = '/.well-known/oauth-protected-resource';
const metadataUrl = (challenge: string | null) => /resource_metadata="([^"]+)"/.exec(challenge ?? '')?.[1] ?? '';

test('AU-01, AU-02, AU-03, RFC 9728 §2, §3.3, §5.1: each challenge leads to a document about exactly that resource', async () => {
  for (const name of ['one', 'two', 'tree', 'web']) {
    const challenge = (await knock(at.url, undefined, name)).headers.get('www-authenticate');
    const response = await fetch(metadataUrl(challenge));
    assert.equal(response.status, 200, name);
    const document = (await response.json()) as Metadata;
    assert.equal(document.resource, `${at.url}/${name}/mcp`);
    assert.deepEqual(document.authorization_servers, [at.url]);
  }
});

test('AU-02, RFC 9728 §3: a server with a host of its own is described there, by path and at the root', async () => {
  const host = 'own.localhost';
  const { status, headers } = await get('/mcp', host, 'POST');
  assert.equal(status, 401);
  const url = new URL(metadataUrl(String(headers['www-authenticate'])));
  assert.equal(url.hostname, host);
  for (const path of [url.pathname, prefix, `${prefix}/mcp`, `${prefix}/mcp/`]) {
    const found = await get(path, host);
    assert.equal(found.status, 200, path);
    assert.equal((JSON.parse(found.body) as Metadata).resource, `http://${host}/mcp`, path);
  }
  assert.equal((await get(`${prefix}/nothing`, host)).status, 404);
});

test('AU-04, AU-05, AU-09, RFC 6750 §3: the challenge names the scope, no error without a token, and never offline_access', async () => {
  for (const [name, scope] of [
    ['one', 'mcp'],
    ['two', 'read write'],
    ['tree', 'files:read'],
  ] as const) {
    const { status, headers } = await knock(at.url, undefined, name);
    assert.equal(status, 401);
    const challenge = headers.get('www-authenticate') ?? '';
    assert.ok(challenge.includes(`scope="${scope}"`), challenge);
    assert.doesNotMatch(challenge, /error|offline_access/);
    const document = (await (await fetch(metadataUrl(challenge))).json()) as Metadata;
    assert.deepEqual(document.scopes_supported, scope.split(' '));
    const bad = await knock(at.url, 'bad', name);
    assert.match(bad.headers.get('www-authenticate') ?? '', /error="invalid_token"/);
  }
});

test('AU-06, AU-71, RFC 6750 §3.1: a token that has expired is 401 invalid_token, however good it was', async (t) => {
  const { tokens } = await signedIn(at.url);
  assert.equal((await knock(at.url, tokens.access_token)).status, letIn);
  assert.ok(tokens.expires_in <= 3600);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + (tokens.expires_in + 1) * 1000 });
  const late = await knock(at.url, tokens.access_token);
  assert.equal(late.status, 401);
  assert.match(late.headers.get('www-authenticate') ?? '', /error="invalid_token"/);
});

test('AU-33, OAuth 2.1 §4.1.2: a code is dead after a minute', async (t) => {
  const { client_id } = await register(at.url);
  const proof = await codeFor(at.url, client_id);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 });
  assert.equal((await redeem(at.url, client_id, proof)).body.error, 'invalid_grant');
});

test('AU-72, RFC 9700 §4.14.2: a used refresh token that comes back after the grace window ends the grant', async (t) => {
  const { clientId, tokens } = await signedIn(at.url);
  const fields = { grant_type: 'refresh_token', client_id: clientId, refresh_token: tokens.refresh_token };
  const next = (await (await postForm(`${at.url}/token`, fields)).json()) as { access_token: string };
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 });
  assert.equal((await knock(at.url, next.access_token)).status, letIn);
  assert.equal((await postForm(`${at.url}/token`, fields)).status, 400);
  assert.equal((await knock(at.url, next.access_token)).status, 401);
});

test('AU-07, RFC 6749 §3.3, RFC 6750 §3.1: too little scope is 403 with everything that is needed at once, and a broader scope is enough', async () => {
  const both = { resource: '', scope: 'read' };
  const { tokens } = await signedIn(at.url, both);
  const lacking = await knock(at.url, tokens.access_token, 'two');
  assert.equal(lacking.status, 403);
  const challenge = lacking.headers.get('www-authenticate') ?? '';
  assert.match(challenge, /error="insufficient_scope"/);
  assert.match(challenge, /scope="read write"/);
  assert.equal(metadataUrl(challenge), `${at.url}${prefix}/two/mcp`);
  const broad = await signedIn(at.url, { resource: `${at.url}/tree/mcp`, scope: 'files' });
  assert.equal((await knock(at.url, broad.tokens.access_token, 'tree')).status, letIn);
});

test('AU-08, RFC 6750 §2.1, §3.1: a request with two tokens, or one that is none, is 400 or 401 and never let in', async () => {
  const { tokens } = await signedIn(at.url);
  const bearer = `Bearer ${tokens.access_token}`;
  const twice = await new Promise<number>((resolve, reject) => {
    const headers = ['host', new URL(at.url).host, 'authorization', bearer, 'authorization', bearer];
    request(new URL('/one/mcp', at.url), { method: 'POST', headers, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
  assert.equal(twice, 400);
  for (const [value, status] of [
    ['Bearer', 401],
    ['Bearer ', 401],
    [`Basic ${tokens.access_token}`, 401],
    [tokens.access_token, 401],
    [`${bearer}, ${bearer}`, 400],
    [`${bearer} x`, 400],
    [`Bearer "${tokens.access_token}"`, 400],
    ['Bearer \u00e9', 400],
  ] as const) {
    const response = await knock(at.url, undefined, 'one', { authorization: value });
    assert.equal(response.status, status, value.slice(0, 12));
    assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer /);
  }
});

test('AU-10, AU-11, OAuth 2.1 §5.1: a token is needed with every method, and in the header alone', async () => {
  const { tokens } = await signedIn(at.url);
  for (const method of ['POST', 'GET', 'DELETE', 'PUT', 'HEAD', 'OPTIONS']) {
    assert.equal((await fetch(`${at.url}/one/mcp`, { method })).status, 401, method);
    const query = `?access_token=${tokens.access_token}`;
    assert.equal((await fetch(`${at.url}/one/mcp${query}`, { method })).status, 401, `${method} with the query`);
  }
  const inBody = await postForm(`${at.url}/one/mcp`, { access_token: tokens.access_token });
  assert.equal(inBody.status, 401);
  assert.equal((await fetch(`${at.url}/one/mcp/`, { method: 'POST' })).status, 401, 'the trailing slash');
});

test('AU-13, AU-14, RFC 9700 §4.9: a server gets neither token nor cookie, a key of its own, and our word on who calls', async () => {
  const { clientId, tokens } = await signedIn(at.url, { resource: `${at.url}/web/mcp` });
  reached.length = 0;
  const response = await knock(at.url, tokens.access_token, 'web', {
    cookie: 'browser=secret',
    'x-user-id': 'root',
    'x-user-name': 'root',
    'x-client-id': 'root',
    x_user_id: 'root',
    'x-forwarded-user': 'root',
    'remote-user': 'root',
    'x-api-key': 'the client key',
    'x-forwarded-for': '10.0.0.1',
    'x-forwarded-host': 'evil.example',
  });
  assert.equal(response.status, 200);
  // Those before it are the gateway's own questions, of which era the server is.
  const seen = reached.at(-1);
  assert.equal(seen?.['x-api-key'], 'the upstream key');
  assert.equal(seen?.['x-user-id'], 'password:alice');
  assert.equal(seen?.['x-user-name'], 'alice');
  assert.equal(seen?.['x-client-id'], clientId);
  for (const name of ['authorization', 'cookie', 'x_user_id', 'x-forwarded-user', 'remote-user'])
    assert.equal(seen?.[name], undefined, name);
  assert.ok(!JSON.stringify(seen).includes(tokens.access_token));
  assert.doesNotMatch(JSON.stringify(seen), /root|10\.0\.0\.1|evil/);
});

test('AU-20, AU-21, AU-22, AU-23, AU-26, RFC 8414 §2, RFC 9207 §3, RFC 9728 §4: discovery says what is so, with one issuer and absolute endpoints at our origin', async () => {
  for (const path of ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']) {
    const document = (await (await fetch(at.url + path)).json()) as Record<string, unknown>;
    assert.equal(document.issuer, at.url);
    assert.deepEqual(document.response_types_supported, ['code']);
    assert.deepEqual(document.code_challenge_methods_supported, ['S256']);
    assert.equal(document.authorization_response_iss_parameter_supported, true);
    assert.deepEqual(
      document.protected_resources,
      ['mcp', 'sse'].flatMap((door) =>
        ['one', 'two', 'tree', 'own', 'web'].map((name) =>
          name === 'own' ? `http://own.localhost/${door}` : `${at.url}/${name}/${door}`,
        ),
      ),
    );
    // Clients of 2025-03-26 guess these paths.
    for (const name of ['authorize', 'token', 'register']) {
      const member =
        { authorize: 'authorization_endpoint', token: 'token_endpoint', register: 'registration_endpoint' }[name] ?? '';
      assert.equal(document[member], `${at.url}/${name}`);
    }
    for (const [name, value] of Object.entries(document)) {
      assert.ok(value !== null && value !== undefined, name);
      if (/_(endpoint|uri)$/.test(name)) assert.ok(URL.canParse(String(value)), name);
    }
  }
});

test('AU-25, OAuth 2.1 §1.5: an http issuer is refused before anything starts, but on loopback', () => {
  const load = (publicUrl: string) => loadConfig({ env: {}, overrides: { publicUrl, mcpServers: {} } });
  for (const url of [
    'http://mcp.example.com',
    'http://127.0.0.1.example.com',
    'http://10.0.0.1',
    'ftp://mcp.example.com',
  ]) {
    assert.throws(() => load(url), url);
  }
  for (const url of ['https://mcp.example.com', 'http://127.0.0.1:8080', 'http://localhost:8080'])
    assert.ok(load(url), url);
});

test('RFC 9700 §4.13: what an untrusted peer says of its request changes no issuer, no audience and no challenge', async () => {
  const lies = {
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    'x-forwarded-uri': '/evil',
    forwarded: 'host=evil.example;proto=https',
    'x-original-url': '/jwks',
    'x-rewrite-url': '/jwks',
    'x-forwarded-prefix': '/evil',
  };
  const plain = await knock(at.url);
  const lied = await knock(at.url, undefined, 'one', lies);
  assert.equal(lied.status, 401);
  assert.equal(lied.headers.get('www-authenticate'), plain.headers.get('www-authenticate'));
  const metadata = await fetch(`${at.url}/.well-known/oauth-authorization-server`, { headers: lies });
  assert.equal(((await metadata.json()) as { issuer: string }).issuer, at.url);
});

test('AU-76, WHATWG Fetch §3.3: pages of any origin read discovery, none reads an answer with credentials, and no preflight needs a token', async () => {
  const origin = 'https://inspector.example';
  const paths = [
    '/.well-known/oauth-authorization-server',
    `${prefix}/one/mcp`,
    '/jwks',
    '/token',
    '/register',
    '/revoke',
  ];
  for (const path of paths) {
    const headers = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type,authorization',
    };
    const preflight = await fetch(at.url + path, { method: 'OPTIONS', headers });
    assert.equal(preflight.status, 204, path);
    assert.equal(preflight.headers.get('access-control-allow-origin'), '*');
    assert.equal(preflight.headers.get('access-control-allow-credentials'), null);
    const actual = await fetch(at.url + path, { headers: { origin } });
    assert.equal(actual.headers.get('access-control-allow-origin'), '*', path);
    assert.equal(actual.headers.get('access-control-allow-credentials'), null);
  }
  for (const path of ['/authorize', '/callback', '/verify']) {
    const page = await fetch(at.url + path, { headers: { origin } });
    assert.equal(page.headers.get('access-control-allow-origin'), null, `${path} is for no page of another origin`);
  }
});
