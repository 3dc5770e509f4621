import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { browser } from '../support/browser.ts';
import {
  authorizationUrl,
  codeFor,
  people,
  pkce,
  redeem,
  register,
  type TestGateway,
  testGateway,
} from '../support/oauth-client.ts';

const site = 'https://app.example.com';
const auth = {
  resources: [
    { url: `${site}/`, name: 'The app' },
    { url: `${site}/admin`, scopes: ['admin'] },
    { url: `${site}/reports`, scopes: ['reports'] },
    { url: 'https://closed.example.com/', allow: { users: ['bob'] } },
  ],
};

function gatewayBehindProxy(): Promise<TestGateway> {
  return testGateway({ trustedProxies: ['127.0.0.1/32'], auth });
}

interface Asked {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One question as a proxy would put it, header lines exactly as given, so that they may be twice there or odd. */
async function ask(at: TestGateway, lines: readonly string[], method = 'GET', target = '/verify'): Promise<Asked> {
  const { hostname, port } = new URL(at.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    [`${method} ${target} HTTP/1.1`, `Host: ${hostname}`, 'Connection: close', ...lines, '', ''].join('\r\n'),
  );
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  const [status = '', ...rest] = head.split('\r\n');
  const headers = rest.map((line) => [
    line.slice(0, line.indexOf(':')).toLowerCase(),
    line.slice(line.indexOf(':') + 2),
  ]);
  return { status: Number(status.split(' ')[1]), headers: Object.fromEntries(headers), body };
}

const about = (uri: string, host = 'app.example.com', proto = 'https') => [
  `X-Forwarded-Proto: ${proto}`,
  `X-Forwarded-Host: ${host}`,
  `X-Forwarded-Uri: ${uri}`,
  'X-Forwarded-Method: GET',
];

async function tokenFor(
  at: TestGateway,
  resource: string,
  scope?: string,
): Promise<{ token: string; clientId: string }> {
  const { client_id: clientId } = await register(at.url, { client_name: `Client ${Math.random()}` });
  const more = { resource, ...(scope !== undefined && { scope }) };
  const { status, body } = await redeem(at.url, clientId, await codeFor(at.url, clientId, more));
  assert.equal(status, 200, JSON.stringify(body));
  return { token: body.access_token, clientId };
}

test('ForwardAuth, RFC 9110 §9.3.2: a token for the resource is 200 with who is calling, by GET, HEAD and POST, and nothing caches it', async () => {
  await using at = await gatewayBehindProxy();
  const { token, clientId } = await tokenFor(at, site);
  for (const method of ['GET', 'HEAD', 'POST']) {
    const lines = [...about('/deep/page?q=1'), `Authorization: Bearer ${token}`];
    const { status, headers, body } = await ask(
      at,
      method === 'POST' ? [...lines, 'Content-Length: 0'] : lines,
      method,
    );
    assert.equal(status, 200, method);
    assert.equal(body, '');
    assert.equal(headers['x-user-id'], 'password:alice');
    assert.equal(headers['x-user-name'], 'alice');
    assert.equal(headers['x-client-id'], clientId);
    assert.equal(headers['x-scope'], 'mcp');
    assert.equal(headers['cache-control'], 'no-store');
  }
  assert.equal((await ask(at, about('/'), 'DELETE')).status, 405);
});

test('ForwardAuth: the body of a request is not waited for', async () => {
  await using at = await gatewayBehindProxy();
  const { status } = await ask(at, [...about('/'), 'Content-Length: 1000000'], 'POST');
  assert.equal(status, 401);
});

test('RFC 9728 §5.1: without a token the challenge names the metadata at the host of the resource, and HEAD has no body', async () => {
  await using at = await gatewayBehindProxy();
  const { status, headers, body } = await ask(at, about('/admin/users'));
  assert.equal(status, 401);
  assert.equal(
    headers['www-authenticate'],
    `Bearer resource_metadata="${site}/.well-known/oauth-protected-resource/admin", scope="admin"`,
  );
  assert.match(body, /error_description/);
  const head = await ask(at, about('/admin/users'), 'HEAD');
  assert.equal(head.status, 401);
  assert.equal(head.body, '');
  assert.match(head.headers['www-authenticate'] ?? '', /^Bearer resource_metadata=/);
});

test('RFC 9728 §3: the metadata of a resource behind another proxy is served for the host that proxy forwards', async () => {
  await using at = await gatewayBehindProxy();
  const read = async (path: string, host: string) => {
    const lines = ['X-Forwarded-Proto: https', `X-Forwarded-Host: ${host}`];
    const { status, body } = await ask(at, lines, 'GET', `/.well-known/oauth-protected-resource${path}`);
    return { status, resource: status === 200 ? (JSON.parse(body) as { resource: string }).resource : undefined };
  };
  assert.deepEqual(await read('', 'app.example.com'), { status: 200, resource: site });
  assert.deepEqual(await read('/admin', 'app.example.com'), { status: 200, resource: `${site}/admin` });
  assert.deepEqual(await read('', 'closed.example.com'), { status: 200, resource: 'https://closed.example.com' });
  assert.equal((await read('', 'unknown.example.com')).status, 404);
  // Our own root speaks for us, not for one of them.
  assert.equal((await read('', '127.0.0.1')).resource, at.url);
});

test('RFC 8707 §2: a token for one resource opens no other, and a narrower path is not opened by what is around it', async () => {
  await using at = await gatewayBehindProxy();
  const { token } = await tokenFor(at, site);
  const bearer = `Authorization: Bearer ${token}`;
  for (const uri of ['/admin', '/admin/', '/admin/x', '/%61dmin', '/admin?x=/']) {
    const { status, headers } = await ask(at, [...about(uri), bearer]);
    assert.equal(status, 401, uri);
    assert.match(headers['www-authenticate'] ?? '', /invalid_token/, uri);
  }
  assert.equal((await ask(at, [...about('/administrator'), bearer])).status, 200);
  const own = about('/one/mcp', new URL(at.url).host, 'http');
  assert.equal((await ask(at, [...own, bearer])).status, 401);
  const { token: ours } = await tokenFor(at, `${at.url}/one/mcp`);
  assert.equal(
    (await ask(at, [...own, `Authorization: Bearer ${ours}`])).status,
    200,
    'our own servers can be asked about',
  );
});

test('RFC 6750 §3.1: too little scope is 403 with the challenge, and who is not allowed 403 without one', async () => {
  await using at = await gatewayBehindProxy();
  const narrow = await tokenFor(at, `${site}/admin`);
  assert.equal((await ask(at, [...about('/admin'), `Authorization: Bearer ${narrow.token}`])).status, 200);
  const closed = await tokenFor(at, 'https://closed.example.com');
  const refused = await ask(at, [...about('/', 'closed.example.com'), `Authorization: Bearer ${closed.token}`]);
  assert.equal(refused.status, 403);
  assert.equal(refused.headers['www-authenticate'], undefined);
  // One token for both, with the scope of one of them.
  const { client_id } = await register(at.url);
  const one = authorizationUrl(at.url, client_id, pkce().challenge, { resource: `${site}/reports`, scope: 'reports' });
  one.searchParams.append('resource', `${site}/admin`);
  const { verifier, challenge } = pkce();
  one.searchParams.set('code_challenge', challenge);
  const back = await browser().authorize(one, { username: 'alice', password: people.alice });
  const { body } = await redeem(at.url, client_id, { code: back.searchParams.get('code') ?? '', verifier });
  const bearer = `Authorization: Bearer ${body.access_token}`;
  const lacking = await ask(at, [...about('/admin'), bearer]);
  assert.equal(lacking.status, 403);
  assert.match(
    lacking.headers['www-authenticate'] ?? '',
    /resource_metadata=".*", scope="admin", error="insufficient_scope"/,
  );
});

const doubtful: readonly [string, readonly string[]][] = [
  ['nothing forwarded', []],
  ['no URI', about('/').filter((line) => !line.includes('Uri'))],
  ['no host', about('/').filter((line) => !line.includes('Host'))],
  ['no scheme', about('/').filter((line) => !line.includes('Proto'))],
  ['an unknown host', about('/', 'evil.example.com')],
  ['a host with a port of its own', about('/', 'app.example.com:8443')],
  ['the wrong scheme', about('/', 'app.example.com', 'http')],
  ['an unknown scheme', about('/', 'app.example.com', 'ftp')],
  ['two schemes', about('/', 'app.example.com', 'https, http')],
  ['two hosts in one line', about('/', 'app.example.com, evil.example.com')],
  ['two host lines', [...about('/'), 'X-Forwarded-Host: evil.example.com']],
  ['two host lines, the other way round', ['X-Forwarded-Host: evil.example.com', ...about('/')]],
  ['two URI lines', [...about('/'), 'X-Forwarded-Uri: /admin']],
  ['userinfo', about('/', 'app.example.com@evil.example.com')],
  ['a host with a path', about('/', 'app.example.com/')],
  ['dot segments', about('/x/../admin')],
  ['encoded dot segments', about('/x/%2e%2E/admin')],
  ['half encoded dot segments', about('/x/.%2e/admin')],
  ['one dot', about('/./admin')],
  ['dots at the end', about('/admin/..')],
  ['dots with path parameters', about('/x/..;/admin')],
  ['an encoded slash', about('/x%2f..%2fadmin')],
  ['an encoded backslash', about('/x%5C..%5Cadmin')],
  ['a percent sign encoded twice', about('/%252e%252e/admin')],
  ['doubled slashes', about('//admin')],
  ['a network path', about('//evil.example.com/')],
  ['doubled slashes inside', about('/x//admin')],
  ['a backslash', about('/\\admin')],
  ['an encoded NUL', about('/admin%00')],
  ['an encoded line break', about('/admin%0d%0aX-User-Id:%20x')],
  ['a broken percent-encoding', about('/%zz')],
  ['a space', about('/a b')],
  ['a fragment', about('/#/admin')],
  ['an absolute URI', about('https://app.example.com/')],
  ['no slash', about('admin')],
  ['an empty URI', about('')],
  ['bytes that are not ASCII', about('/\xe4')],
];

test('ForwardAuth, RFC 3986 §3.3, §6.2.2: it fails closed: whatever leaves a doubt about the resource is 403 and no 200, even with a token for everything', async () => {
  await using at = await gatewayBehindProxy();
  const { client_id } = await register(at.url);
  const { body } = await redeem(at.url, client_id, await codeFor(at.url, client_id, { resource: '' }));
  const bearer = `Authorization: Bearer ${body.access_token}`;
  assert.equal((await ask(at, [...about('/'), bearer])).status, 200, 'the token is for everything');
  for (const [title, lines] of doubtful) {
    const { status, headers } = await ask(at, [...lines, bearer]);
    assert.ok(status === 403, `${title}: ${status}`);
    assert.equal(headers['x-user-id'], undefined, title);
  }
});

test('ForwardAuth: a peer that is no trusted proxy is not believed, whatever it sends', async () => {
  await using at = await testGateway({ trustedProxies: ['192.0.2.1/32'], auth });
  const { token } = await tokenFor(at, site);
  const { status, headers, body } = await ask(at, [...about('/'), `Authorization: Bearer ${token}`]);
  assert.equal(status, 403);
  assert.equal(headers['x-user-id'], undefined);
  assert.match(body, /trustedProxies/);
});

test('RFC 6750 §3.1, RFC 9110 §11.1: two tokens, a token in the query and a header that is no token are refused', async () => {
  await using at = await gatewayBehindProxy();
  const { token } = await tokenFor(at, site);
  const bearer = `Authorization: Bearer ${token}`;
  const cases: [string, string[], number][] = [
    ['two headers', [...about('/'), bearer, bearer], 401],
    ['the query alone', about(`/?access_token=${token}`), 401],
    ['the query as well', [...about(`/?access_token=${token}`), bearer], 401],
    ['two words', [...about('/'), `${bearer} x`], 401],
    ['another scheme', [...about('/'), `Authorization: Basic ${token}`], 401],
    ['lower case', [...about('/'), `authorization: bearer ${token}`], 200],
  ];
  for (const [title, lines, expected] of cases) assert.equal((await ask(at, lines)).status, expected, title);
});
