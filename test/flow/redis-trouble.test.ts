/** Redis paused, stopped, failed over and flushed under load: nobody hangs, and nobody is let in or turned away wrongly. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { knock, postJson, redirectUri, refresh, refused, signedIn, testGateway } from '../support/oauth-client.ts';
import { type RedisServer, redisMissing, startRedis } from '../support/redis.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const skip = await redisMissing();

interface Pair extends AsyncDisposable {
  readonly url: string;
  readonly master: RedisServer;
  readonly replica: RedisServer;
  readonly sentinel: RedisServer;
}

/** A sentinel that fails over when it is told to and not before. */
async function watchedPair(): Promise<Pair> {
  await using opening = new AsyncDisposableStack();
  const kept = ['--appendonly', 'yes', '--appendfsync', 'always', '--repl-diskless-sync-delay', '0'];
  const master = opening.use(await startRedis(kept));
  const replica = opening.use(await startRedis([...kept, '--replicaof', '127.0.0.1', String(master.port)]));
  await linked(replica);
  const directory = opening.use(await temporaryDirectory());
  const file = join(directory.path, 'sentinel.conf');
  writeFileSync(
    file,
    `sentinel monitor main 127.0.0.1 ${master.port} 1\nsentinel down-after-milliseconds main 600000\n`,
  );
  const sentinel = opening.use(await startRedis([], { sentinel: file }));
  const running = opening.move();
  const url = `redis://127.0.0.1:${sentinel.port}/0?sentinel=main`;
  return { url, master, replica, sentinel, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

async function linked(replica: RedisServer): Promise<void> {
  while (!/master_link_status:up/.test(String(await replica.ask('INFO', 'replication')))) await wait(20);
}

test('under load, whatever happens to Redis, requests are answered rightly or with 503, and all go on afterwards', {
  skip,
}, async () => {
  await using pair = await watchedPair();
  const storeKey = 'a key for tests, thirty-two letters at least';
  const auth = { registration: { perMinute: 1_000_000, perDay: 1_000_000 } };
  await using gateway = await testGateway({ store: pair.url, storeKey, auth });
  const { url } = gateway;
  const people = await Promise.all([1, 2, 3].map(() => signedIn(url)));
  const counts = { good: 0, refused: 0 };
  let flushed = false;
  let running = true;
  const told = (response: Response, ...good: readonly number[]) => {
    if (response.status === 503) assert.ok(Number(response.headers.get('retry-after')) > 0);
    else assert.ok(good.includes(response.status), `${response.status}`);
    counts[response.status === 503 ? 'refused' : 'good'] += 1;
  };
  const enter = async (token: string) => {
    // Let in, without a session; once Redis has forgotten all, the token means nothing.
    while (running) told(await knock(url, token), 400, ...(flushed ? [401] : []));
  };
  const enlist = async () => {
    for (let n = 0; running; n += 1)
      told(await postJson(`${url}/register`, { client_name: `Client ${n}`, redirect_uris: [redirectUri] }), 201);
  };
  const load = Promise.all([...people.map(({ tokens }) => enter(tokens.access_token)), enlist()]);
  load.catch(() => undefined);
  const more = async (kind: keyof typeof counts) => {
    const before = counts[kind];
    while (counts[kind] < before + 20) await Promise.race([load, wait(10)]);
  };
  const recovered = async () => {
    while ((await fetch(`${url}/readyz`)).status !== 200) await wait(10);
    await more('good');
  };

  await more('good');
  pair.master.process.kill('SIGSTOP');
  await more('refused');
  pair.master.process.kill('SIGCONT');
  await recovered();
  await pair.master.kill();
  await more('refused');
  await pair.master.restart();
  await recovered();
  await linked(pair.replica);
  while (!JSON.stringify(await pair.sentinel.ask('SENTINEL', 'replicas', 'main')).includes(String(pair.replica.port)))
    await wait(20);
  await pair.sentinel.ask('SENTINEL', 'FAILOVER', 'main');
  while (!/role:master/.test(String(await pair.replica.ask('INFO', 'replication')))) await wait(20);
  while (!/name=mcp-gateway/.test(String(await pair.replica.ask('CLIENT', 'LIST')))) await wait(20);
  await recovered();
  for (const { clientId, tokens } of people)
    assert.equal((await refresh(url, clientId, tokens.refresh_token)).status, 200);
  flushed = true;
  await pair.replica.ask('FLUSHALL');
  await more('good');
  running = false;
  await load;
  for (const { clientId, tokens } of people) {
    await refused(url, tokens.access_token);
    assert.equal((await refresh(url, clientId, tokens.refresh_token)).status, 401, 'the client is unknown');
  }
  const anew = await signedIn(url);
  assert.equal((await knock(url, anew.tokens.access_token)).status, 400, 'let in, without a session');
});
