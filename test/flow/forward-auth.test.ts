import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { type TestContext, test } from 'node:test';
import { type FrontProxy, frontProxy, type ProxyName, snippet, unavailable } from '../support/front-proxy.ts';
import { codeFor, redeem, register, type TestGateway, testGateway } from '../support/oauth-client.ts';
import { serve } from '../support/serve.ts';

const site = 'https://app.example.com';
const spoofed = {
  'x-user-id': 'password:root',
  'x-user-name': 'root',
  'x-client-id': 'root',
  'x-scope': 'everything',
  x_user_id: 'root',
};

interface Reached {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Guarded extends AsyncDisposable {
  readonly at: TestGateway;
  readonly front: FrontProxy;
  /** What came through to the service. */
  readonly reached: Reached[];
}

async function guarded(name: ProxyName): Promise<Guarded> {
  await using opening = new AsyncDisposableStack();
  const reached: Reached[] = [];
  const service = opening.use(
    await serve(async ({ req, body }) => {
      reached.push({ path: req.url ?? '', headers: req.headers, body: (await body(1000)).toString() });
      return { status: 200, body: 'the service' };
    }),
  );
  const at = opening.use(
    await testGateway({
      ...(JSON.parse(snippet('json')) as Record<string, unknown>),
      mcpServers: { one: { command: 'true', scopes: ['other'] } },
    }),
  );
  const front = opening.use(await frontProxy(name, new URL(at.url).host, new URL(service.url).host));
  const running = opening.move();
  return { at, front, reached, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

async function tokenFor(at: TestGateway, resource: string): Promise<{ authorization: string; clientId: string }> {
  const { client_id: clientId } = await register(at.url, { client_name: `Client ${Math.random()}` });
  const { body } = await redeem(at.url, clientId, await codeFor(at.url, clientId, { resource }));
  return { authorization: `Bearer ${body.access_token}`, clientId };
}

function skipped(t: TestContext, name: ProxyName): boolean {
  const reason = unavailable(name);
  if (reason === undefined) return false;
  assert.notEqual(process.env.CI, 'true', reason);
  t.skip(reason);
  return true;
}

for (const name of ['nginx', 'caddy'] as const) {
  test(`${name}, set up as documented, asks /verify: the challenge reaches the client, the caller reaches the service`, async (t) => {
    if (skipped(t, name)) return;
    await using running = await guarded(name);
    const { at, front, reached } = running;

    const refused = await front.send('/page?x=1', spoofed);
    assert.equal(refused.status, 401);
    assert.equal(
      refused.headers['www-authenticate'],
      `Bearer resource_metadata="${site}/.well-known/oauth-protected-resource", scope="mcp"`,
    );
    for (const path of ['', '/admin']) {
      const metadata = await front.send(`/.well-known/oauth-protected-resource${path}`, spoofed);
      assert.equal(metadata.status, 200);
      const document = JSON.parse(metadata.body) as Record<string, unknown>;
      assert.equal(document.resource, site + path);
      assert.deepEqual(document.authorization_servers, [at.url]);
    }
    assert.equal(reached.length, 0, 'nothing got to the service');

    const { authorization, clientId } = await tokenFor(at, site);
    const letIin = await front.send('/page?x=1', { ...spoofed, authorization }, 'a body');
    assert.equal(letIin.status, 200);
    assert.equal(letIin.body, 'the service');
    const [seen] = reached.splice(0);
    assert.equal(seen?.path, '/page?x=1');
    assert.equal(seen?.body, 'a body');
    assert.equal(seen?.headers['x-user-id'], 'password:alice');
    assert.equal(seen?.headers['x-user-name'], 'alice');
    assert.equal(seen?.headers['x-client-id'], clientId);
    assert.equal(seen?.headers['x-scope'], 'mcp');
    assert.equal(seen?.headers.authorization, undefined, 'the token stays with the gateway');

    const pretending = {
      authorization,
      'x-forwarded-uri': '/page',
      'x-forwarded-host': 'app.example.com',
      'x-original-url': '/page',
    };
    for (const target of ['/admin', '/admin/x', '/%61dmin']) {
      const { status, headers } = await front.send(target, pretending);
      assert.equal(status, 401, `${target}: a token for one resource opens no other`);
      assert.match(String(headers['www-authenticate']), /oauth-protected-resource\/admin".*error="invalid_token"/);
    }
    for (const target of [
      '/x/../admin',
      '/x/%2e%2e/admin',
      '//admin',
      '/x%2f..%2fadmin',
      '/admin%00',
      '/x/..;/admin',
    ]) {
      const { status } = await front.send(target, { authorization });
      assert.ok(status === 400 || status === 403, `${target}: ${status}`);
    }
    assert.equal(reached.length, 0, 'nothing got to the service');

    const admin = await tokenFor(at, `${site}/admin`);
    assert.equal((await front.send('/admin', { authorization: admin.authorization })).status, 200);
    assert.equal((await front.send('/', { authorization: `${admin.authorization}x` })).status, 401);
  });

  test(`RFC 6750 §3.1: ${name} passes on the challenge of a token with too little scope`, async (t) => {
    if (skipped(t, name)) return;
    await using running = await guarded(name);
    const { at, front, reached } = running;
    // A token for every resource, with the scope of one.
    const { client_id } = await register(at.url);
    const proof = await codeFor(at.url, client_id, { resource: '', scope: 'other' });
    const { body } = await redeem(at.url, client_id, proof);
    const { status, headers } = await front.send('/admin', { authorization: `Bearer ${body.access_token}` });
    assert.equal(status, 403);
    assert.match(String(headers['www-authenticate']), /scope="admin", error="insufficient_scope"/);
    assert.equal(reached.length, 0);
  });
}
