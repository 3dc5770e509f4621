/** The promises to clients on each kind of store: kept over a restart, shared between gateways, refused while the store is away. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../support/free-port.ts';
import { knock, postForm, redeem, refresh, register, signedIn, testGateway } from '../support/oauth-client.ts';
import { redisMissing, startRedis } from '../support/redis.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const missing = await redisMissing();
const storeKey = 'a key for tests, thirty-two letters at least';

interface Place extends AsyncDisposable {
  readonly config: Record<string, unknown>;
  /** All that lies in the store, as whoever steals it would read it. */
  stolen(): Promise<string>;
}

const stores: Record<string, () => Promise<Place>> = {
  async 'memory:'() {
    return { config: { store: 'memory:' }, stolen: async () => '', async [Symbol.asyncDispose]() {} };
  },
  async 'file:'() {
    const directory = await temporaryDirectory();
    const path = join(directory.path, 'store.db');
    return {
      config: { store: `file:${path}`, storeKey },
      stolen: async () => ['', '-wal'].map((end) => readFileSync(path + end).toString('latin1')).join(''),
      [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
    };
  },
  async 'redis:'() {
    const redis = await startRedis(['--appendonly', 'yes']);
    return {
      config: { store: redis.url, storeKey },
      async stolen() {
        const keys = (await redis.ask('KEYS', '*')) as string[];
        const values = await Promise.all(keys.map(async (key) => String(await redis.ask('GET', key))));
        return [...keys, ...values].join('\n');
      },
      [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
    };
  },
};

for (const [kind, place] of Object.entries(stores)) {
  const skip = kind === 'redis:' && missing;
  test(`${kind} a person lets a client in and takes it back, and nothing that lies in the store would let a thief in`, {
    skip,
  }, async () => {
    await using at = await place();
    await using gateway = await testGateway({ ...at.config });
    const { url } = gateway;
    const { clientId, tokens } = await signedIn(url);
    assert.equal((await knock(url, tokens.access_token)).status, 400, 'let in, without a session');
    const next = await refresh(url, clientId, tokens.refresh_token);
    assert.equal(next.status, 200);
    const stolen = await at.stolen();
    for (const secret of [tokens.access_token, tokens.refresh_token, next.body.refresh_token, '"d":"'])
      assert.ok(!stolen.includes(secret));
    const other = await signedIn(url);
    const revoked = await postForm(`${url}/revoke`, { client_id: other.clientId, token: other.tokens.refresh_token });
    assert.equal(revoked.status, 200);
    assert.equal((await knock(url, other.tokens.access_token)).status, 401);
    assert.equal((await refresh(url, other.clientId, other.tokens.refresh_token)).body.error, 'invalid_grant');
    assert.equal((await refresh(url, clientId, next.body.refresh_token)).status, 200);
    assert.equal(
      (await redeem(url, clientId, { code: 'made-up', verifier: 'v'.repeat(43) })).body.error,
      'invalid_grant',
    );
  });

  if (kind === 'memory:') continue;
  test(`${kind} after a restart the tokens, the refresh tokens and the registrations are as good as before`, {
    skip,
  }, async () => {
    await using at = await place();
    const origin = listening(await freePort());
    let kept: Awaited<ReturnType<typeof signedIn>>;
    {
      await using gateway = await testGateway({ ...at.config, ...origin });
      kept = await signedIn(gateway.url);
    }
    await using gateway = await testGateway({ ...at.config, ...origin });
    assert.equal((await knock(gateway.url, kept.tokens.access_token)).status, 400);
    assert.equal((await refresh(gateway.url, kept.clientId, kept.tokens.refresh_token)).status, 200);
  });
}

test('gateways on one Redis: what one promised the other keeps, and what one took back is gone at the other at once', {
  skip: missing,
}, async () => {
  await using redis = await startRedis();
  const shared = { store: redis.url, storeKey, publicUrl: `http://127.0.0.1:${await freePort()}` };
  await using one = await testGateway({ ...shared, ...listening(Number(new URL(shared.publicUrl).port)) });
  const port = await freePort();
  await using _two = await testGateway({ ...shared, ...listening(port) });
  const other = `http://127.0.0.1:${port}`;
  const { clientId, tokens } = await signedIn(one.url);
  assert.equal((await knock(other, tokens.access_token)).status, 400, 'let in');
  const next = await refresh(other, clientId, tokens.refresh_token);
  assert.equal(next.status, 200);
  assert.equal((await knock(one.url, next.body.access_token)).status, 400, 'let in');
  // OAuth 2.1 §4.3.1: of two gateways that are shown the same refresh token at once, both give the same successor or one refuses.
  const twice = await Promise.all([one.url, other].map((url) => refresh(url, clientId, next.body.refresh_token)));
  const given = new Set(twice.flatMap(({ body }) => (body.refresh_token === undefined ? [] : [body.refresh_token])));
  assert.equal(given.size, 1);
  await postForm(`${other}/revoke`, { client_id: clientId, token: [...given][0] ?? '' });
  for (const url of [one.url, other])
    for (const { access_token } of [tokens, next.body]) assert.equal((await knock(url, access_token)).status, 401);
  const keys = await Promise.all([one.url, other].map(async (url) => (await fetch(`${url}/jwks`)).json()));
  assert.deepEqual(keys[0], keys[1]);
});

test('gateways on one Redis rotate keys and count strangers together', { skip: missing }, async () => {
  await using redis = await startRedis();
  const [port, otherPort] = [await freePort(), await freePort()];
  const auth = { registration: { perMinute: 3 } };
  const shared = { store: redis.url, storeKey, publicUrl: `http://127.0.0.1:${port}`, auth };
  await using one = await testGateway({ ...shared, ...listening(port) });
  await using two = await testGateway({ ...shared, ...listening(otherPort) });
  const other = `http://127.0.0.1:${otherPort}`;
  const { clientId, tokens } = await signedIn(one.url);
  assert.equal((await knock(other, tokens.access_token)).status, 400, 'let in');
  const made = await Promise.all([one, two].map(({ gateway }) => gateway.administration.keys.rotate()));
  const published = async () => {
    const { keys } = (await (await fetch(`${other}/jwks`)).json()) as { keys: { kid: string }[] };
    return keys.map(({ kid }) => kid);
  };
  // Within a second they stand at every gateway, long before they sign.
  for (const { kid } of made) while (!(await published()).includes(kid)) await wait(20);
  assert.equal((await knock(other, tokens.access_token)).status, 400, 'its key is published still');
  await two.gateway.administration.keys.rotate({ compromised: true });
  const next = await refresh(other, clientId, tokens.refresh_token);
  assert.equal((await knock(one.url, next.body.access_token)).status, 400, 'let in by a key made elsewhere just now');
  while ((await knock(one.url, tokens.access_token)).status !== 401) await wait(20);
  for (const url of [one.url, other]) await register(url);
  for (const url of [one.url, other]) await assert.rejects(register(url), /429/);
});

test('a gateway with another storeKey on the same Redis is refused at start in one sentence', {
  skip: missing,
}, async () => {
  await using redis = await startRedis();
  await using _one = await testGateway({ store: redis.url, storeKey });
  await assert.rejects(testGateway({ store: redis.url, storeKey: `${storeKey}!` }), /same storeKey/);
});

test('while Redis is away fresh tokens go on for a while, all else is 503 with Retry-After, and /readyz says why', {
  skip: missing,
}, async () => {
  await using redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
  await using gateway = await testGateway({ store: redis.url, storeKey });
  const { url } = gateway;
  const { clientId, tokens } = await signedIn(url);
  const unused = await signedIn(url);
  assert.equal((await knock(url, tokens.access_token)).status, 400);
  assert.equal((await fetch(`${url}/readyz`)).status, 200);
  await redis.kill();
  const [known, unknown, token, registration, ready, alive] = await Promise.all([
    knock(url, tokens.access_token),
    knock(url, unused.tokens.access_token),
    postForm(`${url}/token`, { grant_type: 'refresh_token', client_id: clientId, refresh_token: tokens.refresh_token }),
    register(url).catch(String),
    fetch(`${url}/readyz`),
    fetch(`${url}/livez`),
  ]);
  assert.equal(known.status, 400, 'let in, without a session');
  assert.equal(alive.status, 200);
  for (const refused of [unknown, token, ready]) {
    assert.equal(refused.status, 503);
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
  }
  assert.match(String(registration), /503/);
  assert.match(JSON.stringify(await ready.json()), /Redis does not answer/);
  await redis.restart();
  while ((await fetch(`${url}/readyz`)).status !== 200) await wait(20);
  assert.equal((await knock(url, unused.tokens.access_token)).status, 400);
  assert.equal((await refresh(url, clientId, tokens.refresh_token)).status, 200);
});

test('a gateway that starts before its Redis waits for it', { skip: missing }, async () => {
  await using redis = await startRedis();
  await redis.kill();
  const starting = testGateway({ store: redis.url, storeKey });
  await redis.restart();
  await using gateway = await starting;
  assert.equal((await fetch(`${gateway.url}/readyz`)).status, 200);
});

function listening(port: number): Record<string, unknown> {
  return { entrypoints: { http: { listen: `127.0.0.1:${port}` } } };
}
