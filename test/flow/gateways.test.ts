/** Three gateways as real processes on three loopback addresses, one Redis behind them and a load balancer before them. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { hashPassword } from '../../src/oauth/password.ts';
import { type CuttableWay, cuttableWay } from '../support/cuttable.ts';
import { everything } from '../support/everything.ts';
import { freePort } from '../support/free-port.ts';
import { type LoadBalancer, loadBalancer } from '../support/load-balancer.ts';
import { initialized, initializeParams, mcpClient } from '../support/mcp-client.ts';
import { modernClient, modernScript } from '../support/modern-client.ts';
import {
  codeFor,
  knock,
  people,
  postForm,
  redeem,
  refresh,
  refused,
  register,
  signedIn,
  testGateway,
} from '../support/oauth-client.ts';
import { type Program, startProgram } from '../support/program.ts';
import { type RedisServer, redisMissing, startRedis } from '../support/redis.ts';

const skip = process.platform === 'linux' ? await redisMissing() : 'needs 127.0.0.2 to 127.0.0.4, which Linux has';

interface Site extends AsyncDisposable {
  readonly redis: RedisServer;
  /** The third gateway's way to Redis. */
  readonly way: CuttableWay;
  readonly balancer: LoadBalancer;
  readonly gateways: Program[];
  start(index: number): Promise<Program>;
}

async function startSite(): Promise<Site> {
  await using opening = new AsyncDisposableStack();
  const redis = opening.use(await startRedis(['--appendonly', 'yes']));
  const way = opening.use(await cuttableWay(redis.port));
  const [port, peersPort, publicPort] = [await freePort(), await freePort(), await freePort()];
  const hosts = ['127.0.0.2', '127.0.0.3', '127.0.0.4'];
  const hash = await hashPassword(people.alice, { ln: 4, r: 8, p: 1 });
  const gateways: Program[] = [];
  const start = async (index: number) => {
    const config = {
      publicUrl: `http://127.0.0.1:${publicPort}`,
      entrypoints: { http: { listen: `${hosts[index]}:${port}` } },
      peers: { listen: `${hosts[index]}:${peersPort}` },
      store: index === 2 ? `redis://127.0.0.1:${way.port}` : redis.url,
      storeKey: 'a key for tests, thirty-two letters at least',
      limits: { requestAcceptGraceTimeout: '500ms' },
      auth: { login: { password: { users: { alice: { hash } } } } },
      mcpServers: {
        one: { command: everything[0], args: everything.slice(1) },
        modern: { command: process.execPath, args: [modernScript] },
      },
    };
    const program = await startProgram({ config });
    gateways[index] = program;
    return program;
  };
  opening.defer(async () => void (await Promise.all(gateways.map((program) => program[Symbol.asyncDispose]()))));
  await Promise.all(hosts.map((_, index) => start(index)));
  const balancer = opening.use(
    await loadBalancer(
      hosts.map((host) => `http://${host}:${port}`),
      publicPort,
    ),
  );
  const running = opening.move();
  return { redis, way, balancer, gateways, start, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

let site: Site;
before(async () => {
  if (skip === false) site = await startSite();
});
after(async () => site?.[Symbol.asyncDispose]());

const ways = () => site.balancer.ways as readonly [string, string, string];

test('each step of a login may meet another gateway, and what one takes back the others refuse within a second', {
  skip,
}, async () => {
  const [one, two, three] = ways();
  const { client_id: clientId } = await register(one, { client_name: 'Wanderer' });
  const resource = `${site.balancer.url}/one/mcp`;
  const proof = await codeFor(two, clientId, { resource });
  const { status, body } = await redeem(three, clientId, proof);
  assert.equal(status, 200);
  for (const url of ways())
    assert.equal((await knock(url, body.access_token)).status, 400, 'let in, without a session');
  const next = await refresh(one, clientId, body.refresh_token);
  assert.equal(next.status, 200);
  await postForm(`${two}/revoke`, { client_id: clientId, token: next.body.refresh_token });
  assert.equal((await knock(two, body.access_token)).status, 401, 'at once where it was taken back');
  for (const url of ways()) for (const { access_token } of [body, next.body]) await refused(url, access_token);
  assert.equal((await refresh(three, clientId, next.body.refresh_token)).body.error, 'invalid_grant');
});

test('a session whose gateway is killed is 404 at the others, and the client begins anew there', { skip }, async () => {
  const [one, two, three] = ways();
  const { tokens } = await signedIn(site.balancer.url);
  const own = { authorization: `Bearer ${tokens.access_token}` };
  const begun = await initialized(`${two}/one/mcp`, own);
  const here = mcpClient(`${one}/one/mcp`, begun.headers);
  assert.equal(await here.call('echo', { message: 'hello' }), 'Echo: hello');
  await site.gateways[1]?.stop('SIGKILL');
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
  for (const url of [one, three])
    assert.equal((await mcpClient(`${url}/one/mcp`, begun.headers).post(list)).status, 404);
  const anew = await initialized(`${three}/one/mcp`, own);
  assert.equal(await mcpClient(`${one}/one/mcp`, anew.headers).call('echo', { message: 'anew' }), 'Echo: anew');
  await site.start(1);
});

test('a gateway that hangs costs its sessions 503 with Retry-After until its lease has ended, then 404', {
  skip,
}, async () => {
  const [one, two] = ways();
  const { tokens } = await signedIn(site.balancer.url);
  const own = { authorization: `Bearer ${tokens.access_token}` };
  const begun = await initialized(`${two}/one/mcp`, own);
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
  const here = mcpClient(`${one}/one/mcp`, begun.headers);
  const owner = site.gateways[1]?.process;
  owner?.kill('SIGSTOP');
  try {
    const hanging = await here.post(list);
    assert.equal(hanging.status, 503);
    assert.ok(Number(hanging.headers.get('retry-after')) > 0);
    const [id = ''] = begun.headers['mcp-session-id']?.split('.') ?? [];
    // Its end, without the waiting.
    assert.equal(await site.redis.ask('DEL', `mcp-gateway:gateway:${id}`), 1);
    assert.equal((await here.post(list)).status, 404);
    const anew = mcpClient(`${one}/one/mcp`, own);
    assert.equal(
      (await anew.post({ jsonrpc: '2.0', id: 1, method: 'initialize', params: initializeParams() })).status,
      200,
    );
  } finally {
    owner?.kill('SIGCONT');
  }
});

test('a gateway cut off from Redis lets nothing in that it cannot check, while the others go on', {
  skip,
}, async () => {
  const [one, , three] = ways();
  const known = await signedIn(site.balancer.url);
  const unknown = await signedIn(site.balancer.url);
  assert.equal((await knock(three, known.tokens.access_token)).status, 400, 'let in, without a session');
  site.way.cut();
  const answers = await Promise.all([
    knock(three, unknown.tokens.access_token),
    fetch(`${three}/readyz`),
    postForm(`${three}/token`, {
      grant_type: 'refresh_token',
      client_id: known.clientId,
      refresh_token: known.tokens.refresh_token,
    }),
  ]);
  for (const answer of answers) {
    assert.equal(answer.status, 503);
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
  }
  assert.equal((await knock(one, unknown.tokens.access_token)).status, 400, 'the others go on');
  await postForm(`${one}/revoke`, { client_id: unknown.clientId, token: unknown.tokens.refresh_token });
  assert.equal((await knock(one, unknown.tokens.access_token)).status, 401);
  site.way.heal();
  while ((await fetch(`${three}/readyz`)).status !== 200) await wait(20);
  assert.equal((await knock(three, unknown.tokens.access_token)).status, 401, 'revoked while it was away');
  assert.equal((await refresh(three, known.clientId, known.tokens.refresh_token)).status, 200);
});

test('a gateway that stops says so at /readyz and takes requests until its grace has ended', async () => {
  const { gateway, url } = await testGateway({ limits: { requestAcceptGraceTimeout: '1s', drain: '0' } });
  const stopped = gateway[Symbol.asyncDispose]();
  const ready = await fetch(`${url}/readyz`);
  assert.deepEqual([ready.status, await ready.json()], [503, { status: 'unavailable', reason: 'stopping' }]);
  assert.equal((await fetch(`${url}/jwks`, { headers: { connection: 'close' } })).status, 200);
  await stopped;
  await assert.rejects(fetch(`${url}/livez`));
});

test('restarted one by one under load, three gateways fail no stateless call and no refresh', { skip }, async () => {
  const { url } = site.balancer;
  const callers = await Promise.all([1, 2, 3].map(() => signedIn(url, { resource: `${url}/modern/mcp` })));
  let running = true;
  let calls = 0;
  const load = callers.map(async ({ clientId, tokens }) => {
    let { access_token: access, refresh_token: next } = tokens;
    while (running) {
      const client = modernClient(`${url}/modern/mcp`, { authorization: `Bearer ${access}` });
      const { status, result, error } = await client.call('echo', { text: 'x' });
      assert.deepEqual([status, error], [200, undefined]);
      assert.ok(result);
      calls += 1;
      if (calls % 5 > 0) continue;
      const renewed = await refresh(url, clientId, next);
      assert.equal(renewed.status, 200);
      ({ access_token: access, refresh_token: next } = renewed.body);
    }
  });
  const failed = Promise.all(load);
  failed.catch(() => undefined);
  for (const [index, gateway] of site.gateways.entries()) {
    const called = calls;
    await Promise.race([failed, gateway.stop()]);
    // The others answer meanwhile.
    while (calls === called) await Promise.race([failed, wait(5)]);
    await Promise.race([failed, site.start(index)]);
    while ((await fetch(`${ways()[index]}/readyz`)).status !== 200) await wait(20);
  }
  running = false;
  await failed;
});
