import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { identifierOf } from '../../src/router/configured-routes.ts';
import { routingConfig } from '../../src/router/routing-config.ts';
import { signedIn, testGateway } from '../support/oauth-client.ts';
import { startProgram } from '../support/program.ts';
import { site } from '../support/site.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const naming =
  (name: string): RequestListener =>
  (req, res) =>
    res.end(`${name} ${req.method} ${req.url}`);

test('a router is guarded unless it says "auth": false, and its tokens are for its host and longest path', async () => {
  await using app = await site(naming('app'));
  await using at = await testGateway({
    routers: [
      { name: 'app', rule: 'Path(`/app`) || PathPrefix(`/app/`)', service: 'app' },
      { name: 'open', rule: 'PathPrefix(`/open/`)', service: 'app', auth: false },
      { name: 'strict', rule: 'PathPrefix(`/strict/`)', service: 'app', auth: { scopes: ['admin'] } },
    ],
    services: { app: { servers: [{ url: app.url }] } },
  });
  assert.equal(await (await fetch(`${at.url}/open/a?b=c`)).text(), 'app GET /open/a?b=c');
  const refused = await fetch(`${at.url}/app/x`);
  assert.equal(refused.status, 401);
  const metadata = /resource_metadata="([^"]+)"/.exec(refused.headers.get('www-authenticate') ?? '')?.[1] ?? '';
  assert.equal(((await (await fetch(metadata)).json()) as { resource: string }).resource, `${at.url}/app`);

  const { tokens } = await signedIn(at.url, { resource: `${at.url}/app` });
  const headers = {
    authorization: `Bearer ${tokens.access_token}`,
    cookie: 'a=1; browser-8080-00000000=secret',
    'x-user-id': 'me',
  };
  assert.equal(await (await fetch(`${at.url}/app/x`, { headers })).text(), 'app GET /app/x');
  const got = app.seen.at(-1)?.headers ?? {};
  assert.equal(got.authorization, undefined);
  assert.equal(got.cookie, 'a=1');
  assert.equal(got['x-user-id'], 'password:alice');
  assert.equal(got.host, new URL(at.url).host);
  // RFC 8707 §2: the token of one router opens no other.
  assert.equal((await fetch(`${at.url}/strict/`, { headers })).status, 401);
  assert.equal((await fetch(`${at.url}/one/mcp`, { headers })).status, 401);
});

test('a faulty router is disabled alone, says why, and the others serve', async () => {
  await using app = await site(naming('app'));
  const services = { app: { servers: [{ url: app.url }] } };
  const faulty: [name: string, router: object, why: RegExp][] = [
    ['rule', { rule: 'Hots(`a.example`)', service: 'app' }, /no matcher is called Hots/],
    ['regexp', { rule: 'PathRegexp(`(a+)+`)', service: 'app' }, /repeats/],
    ['service', { rule: 'Path(`/b`)', service: 'ap', auth: false }, /no service is called ap; there is app/],
    ['hosts', { rule: 'Host(`a.example`) || Host(`b.example`)', service: 'app' }, /set resource to a URL/],
    ['wildcard', { rule: 'Host(`*.example`)', service: 'app' }, /set resource to a URL/],
  ];
  const routers = faulty.map(([name, router]) => ({ name, ...router }));
  routers.push({ name: 'good', rule: 'PathPrefix(`/`)', service: 'app', auth: false } as never);
  await using at = await testGateway({ routers, services });
  for (const [name, , why] of faulty) {
    assert.match(at.gateway.table.find((row) => row.name === name)?.disabled ?? '', why);
  }
  assert.equal(await (await fetch(`${at.url}/b`)).text(), 'app GET /b');
  assert.equal((await fetch(`${at.url}/one/mcp`)).status, 401, 'no router stands above what is built in');
});

test('RFC 3986 §2.2: an encoded slash leads round no router that protects a part of the same service', async () => {
  await using app = await site(naming('app'));
  const servers = [{ url: app.url }];
  await using at = await testGateway({
    routers: [
      { name: 'office', rule: 'PathPrefix(`/admin/`)', service: 'a', auth: false, middlewares: ['both'] },
      { name: 'rest', rule: 'PathPrefix(`/`)', service: 'a', auth: false },
      { name: 'other', rule: 'PathPrefix(`/other/`)', service: 'b', auth: false },
    ],
    services: { a: { servers }, b: { servers } },
    middlewares: {
      both: { chain: { middlewares: ['near'] } },
      near: { ipAllowList: { sourceRange: ['192.0.2.0/24'] } },
    },
  });
  const statusOf = async (path: string) => (await fetch(`${at.url}${path}`)).status;
  assert.equal(await statusOf('/admin/x'), 403);
  for (const path of ['/admin%2Fx', '/x%2f..%2fadmin/x', '/admin%5Cx', '/%252e/admin']) {
    assert.equal(await statusOf(path), 400, path);
  }
  assert.equal(await statusOf('/plain'), 200);
  assert.equal(await statusOf('/other/a%2Fb'), 200, 'nothing of that service is protected');
});

test('requests are shared out by weight, and a weight of 0 gets none', async () => {
  await using a = await site((_, res) => res.end('a'));
  await using b = await site((_, res) => res.end('b'));
  const servers = [
    { url: a.url, weight: 3 },
    { url: b.url, weight: 1 },
    { url: 'http://127.0.0.1:9', weight: 0 },
  ];
  await using at = await testGateway({
    routers: [{ name: 'app', rule: 'PathPrefix(`/`)', service: 'app', auth: false }],
    services: { app: { servers } },
  });
  let order = '';
  for (let round = 0; round < 8; round += 1) order += await (await fetch(at.url)).text();
  assert.equal(order, 'aabaaaba');
});

test('a site keeps its cookies and CORS; a path of the server goes before that of the request; sockets are servers', async () => {
  await using directory = await temporaryDirectory();
  await using app = await site(
    (req, res) => {
      res
        .setHeader('set-cookie', ['a=1', 'b=2', '__Host-browser-00000000=forged'])
        .setHeader('access-control-allow-origin', '*');
      req.pipe(res);
    },
    { path: join(directory.path, 'app.sock') },
  );
  await using below = await site(naming('below'));
  await using at = await testGateway({
    routers: [
      { name: 'app', rule: 'PathPrefix(`/`)', service: 'app', auth: false },
      { name: 'below', rule: 'PathPrefix(`/below`)', service: 'below', auth: false },
    ],
    services: {
      app: { servers: [{ url: app.url }] },
      below: { servers: [{ url: `${below.url}/v1/` }], passHostHeader: false },
    },
  });
  // Longer than what is read whole, so that it goes through as a stream.
  const body = 'x'.repeat(300_000);
  const answer = await fetch(at.url, { method: 'POST', body, headers: { authorization: 'Basic its-own' } });
  assert.equal(await answer.text(), body);
  assert.deepEqual(answer.headers.getSetCookie(), ['a=1', 'b=2']);
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  assert.equal(app.seen[0]?.headers.authorization, 'Basic its-own', 'without a guard it is no business of ours');
  assert.equal(app.seen[0]?.headers['content-length'], '300000');
  assert.equal(await (await fetch(`${at.url}/below/x`)).text(), 'below GET /v1/below/x');
  assert.equal(below.seen[0]?.headers.host, new URL(below.url).host);
});

const identifiers: [rule: string, resource: string | undefined, expected: string | undefined][] = [
  ['Host(`app.example`)', undefined, 'https://app.example'],
  ['Host(`app.example`) && (Path(`/a`) || PathPrefix(`/a/`))', undefined, 'https://app.example/a'],
  ['PathPrefix(`/api/`) && Method(`GET`)', undefined, 'https://mcp.example/api'],
  ['Host(`mcp.example`) && Path(`/x`)', undefined, 'https://mcp.example/x'],
  ['Host(`a.example`) || Host(`b.example`)', undefined, undefined],
  ['HostRegexp(`.*`) || Host(`*.example`)', 'https://chosen.example/x/', 'https://chosen.example/x'],
  ['Nothing(`a`)', undefined, undefined],
];
for (const [rule, resource, expected] of identifiers) {
  test(`RFC 8707 §2: the resource of ${rule}${resource ? ` with ${resource}` : ''} is ${expected ?? 'not to be known'}`, () => {
    const { routers } = routingConfig.parse({ routers: [{ name: 'r', rule, service: 's', resource }] });
    const [router] = routers;
    assert.ok(router);
    assert.equal(identifierOf(router, new URL('https://mcp.example')), expected);
  });
}

test('a reload changes routers and middlewares, and drops no stream of a service that stays', async () => {
  let next = () => {};
  await using app = await site((_, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
    next = () => res.end('data: 2\n\n');
  });
  const config = (middlewares: object) => ({
    routers: [
      { name: 'app', rule: 'PathPrefix(`/`)', service: 'app', auth: false, middlewares: Object.keys(middlewares) },
    ],
    services: { app: { servers: [{ url: app.url }] } },
    middlewares,
    limits: { drain: '0' },
  });
  await using program = await startProgram({ config: config({}) });
  const stream = await fetch(program.url);
  const reader = stream.body?.getReader();
  assert.ok(reader);
  assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), 'data: 1\n\n');
  await program.reload(config({ near: { ipAllowList: { sourceRange: ['192.0.2.1'] } } }));
  assert.equal((await fetch(program.url)).status, 403);
  next();
  assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), 'data: 2\n\n');
  assert.equal((await reader.read()).done, true);
});
