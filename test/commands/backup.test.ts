import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { freePort } from '../support/free-port.ts';
import { knock, postForm, refresh, signedIn, testGateway } from '../support/oauth-client.ts';
import { runProgram, startProgram } from '../support/program.ts';
import { redisMissing, startRedis } from '../support/redis.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const missing = await redisMissing();
const storeKey = 'a key for tests, thirty-two letters at least';

interface Desk extends AsyncDisposable {
  readonly path: (name: string) => string;
  /** What every configuration here has. */
  readonly inState: { readonly stateDir: string; readonly mcpServers: object };
  /** A configuration file with this store. */
  readonly config: (store: string, key?: string) => string;
  readonly run: (...words: string[]) => ReturnType<typeof runProgram>;
}

async function desk(): Promise<Desk> {
  const directory = await temporaryDirectory();
  const inState = { stateDir: join(directory.path, 'state'), mcpServers: {} };
  let configs = 0;
  return {
    path: (name) => join(directory.path, name),
    inState,
    config(store, key = storeKey) {
      configs += 1;
      const file = join(directory.path, `config-${configs}.json`);
      writeFileSync(file, JSON.stringify({ ...inState, store, storeKey: key }));
      return file;
    },
    run: (...words) => runProgram(words, { cwd: directory.path }),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

test('a backup moves all that was promised from file to Redis to the memory of a running gateway to a file under another key', {
  skip: missing,
}, async () => {
  await using at = await desk();
  await using redis = await startRedis();
  const first = `file:${at.path('first.db')}`;
  const last = `file:${at.path('last.db')}`;
  const origin = { entrypoints: { http: { listen: `127.0.0.1:${await freePort()}` } } };
  let kept: Awaited<ReturnType<typeof signedIn>>;
  {
    await using gateway = await testGateway({ store: first, storeKey, ...origin });
    kept = await signedIn(gateway.url);
    const running = await at.run('backup', '-c', at.config(first), 'one.backup');
    assert.equal(running.code, 0, running.stderr);
  }
  assert.equal(statSync(at.path('one.backup')).mode & 0o777, 0o600);
  const text = readFileSync(at.path('one.backup'), 'utf8');
  for (const token of [kept.tokens.access_token, kept.tokens.refresh_token]) assert.ok(!text.includes(token));
  assert.doesNotMatch(text, /"sealed"/);
  const otherKey = `another ${storeKey}`;
  await using memory = await startProgram({ config: { ...at.inState, store: 'memory:' } });
  for (const [verb, config, ...words] of [
    ['restore', at.config(redis.url), 'one.backup'],
    ['backup', at.config(redis.url), 'two.backup'],
    // It has made keys of its own.
    ['restore', at.config('memory:'), 'two.backup', '--replace'],
    ['backup', at.config('memory:'), 'three.backup'],
    ['restore', at.config(last, otherKey), 'three.backup'],
  ] as const) {
    const { code, stderr } = await at.run(verb, '-c', config, ...words);
    assert.equal(code, 0, stderr);
  }
  assert.equal(statSync(at.path('three.backup')).mode & 0o777, 0o600);
  await using gateway = await testGateway({ store: last, storeKey: otherKey, ...origin });
  assert.equal((await knock(gateway.url, kept.tokens.access_token)).status, 400, 'let in, without a session');
  assert.equal((await refresh(gateway.url, kept.clientId, kept.tokens.refresh_token)).status, 200);
  const keysAt = async (url: string) => (await fetch(`${url}/jwks`)).json();
  const keys = await keysAt(gateway.url);
  while (!isDeepStrictEqual(await keysAt(memory.url), keys)) await wait(20);
});

test('a backup of memory asks the gateway that runs, and says so where none does', async () => {
  await using at = await desk();
  const { code, stderr } = await at.run('backup', '-c', at.config('memory:'), 'none.backup');
  assert.equal(code, 1);
  assert.match(stderr, /no gateway runs here/);
  assert.throws(() => statSync(at.path('none.backup')), /ENOENT/);
});

test('what is restored replaces nothing unasked, and a backup that is damaged or ended changes nothing', async () => {
  await using at = await desk();
  const config = at.config(`file:${at.path('store.db')}`);
  const lines = (...values: object[]) => values.map((value) => `${JSON.stringify(value)}\n`).join('');
  const heading = { format: 'mcp-gateway backup', version: 1 };
  const record = { key: 'client:1', value: { id: '1' } };
  const files: Record<string, string> = {
    good: lines(heading, record, { records: 1 }),
    ended: lines(heading, { ...record, endsAt: 1 }, { records: 1 }),
    short: lines(heading, record),
    fewer: lines(heading, record, { records: 2 }),
    newer: lines({ ...heading, version: 2 }, record, { records: 1 }),
    odd: lines(heading, { key: 'client:1' }, { records: 1 }),
    alien: '{"a":1}',
    empty: '',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(at.path(name), text);
  const refused: Record<string, RegExp> = {
    ended: /has ended since/,
    short: /cut short/,
    fewer: /cut short/,
    newer: /newer version/,
    odd: /damaged record in line 2/,
    alien: /is not a backup/,
    empty: /is not a backup/,
    missing: /cannot be read: there is no such file/,
  };
  for (const [name, why] of Object.entries(refused)) {
    const { code, stderr } = await at.run('restore', '-c', config, name);
    assert.equal(code, 1);
    assert.match(stderr, why);
    assert.doesNotMatch(stderr, /\n\s+at /);
  }
  assert.equal((await at.run('restore', '-c', config, 'good')).code, 0);
  assert.match((await at.run('restore', '-c', config, 'good')).stderr, /--replace/);
  const again = await at.run('restore', '--replace', '--json', '-c', config, 'good');
  assert.deepEqual(JSON.parse(again.stdout), { client: 1 });
});

test('the clients of a mcp-oauth-gateway backup go on with their ids and secrets', async () => {
  await using at = await desk();
  const store = `file:${at.path('store.db')}`;
  const former = {
    client_id: 'client_AbCdEfGhIjKlMnOpQrStUv',
    client_secret: 's'.repeat(43),
    registration_access_token: `reg-${'t'.repeat(43)}`,
    client_id_issued_at: 1_750_000_000,
    client_name: 'Unnamed Client',
    redirect_uris: '["https://client.example/callback"]',
    grant_types: '["authorization_code", "refresh_token"]',
    response_types: '["code"]',
    scope: 'openid profile email',
  };
  const bad = { ...former, client_id: 'client_bad-redirect-uri-22ch1', redirect_uris: '["javascript:alert(1)"]' };
  const entry = (value: object, ttl: number) => ({ value: JSON.stringify(value), type: 'string', ttl });
  const backup = {
    registrations: {
      [`client:${former.client_id}`]: entry(former, -1),
      'client:ended': entry({ ...former, client_id: 'client_ended-long-ago-22chars' }, 60),
      'client:bad': entry(bad, -1),
      'client:odd': { value: 'not JSON', type: 'string', ttl: -1 },
    },
    tokens: {},
    refresh_tokens: {},
    metadata: {},
    timestamp: '2025-07-01T12:00:00',
  };
  writeFileSync(at.path('former.json'), JSON.stringify(backup, null, 2));
  const { code, stdout, stderr } = await at.run('restore', '-c', at.config(store), 'former.json');
  assert.equal(code, 0, stderr);
  assert.equal(stdout, 'client: 1\n');
  await using gateway = await testGateway({ store, storeKey });
  const own = await fetch(`${gateway.url}/register/${former.client_id}`, {
    headers: { authorization: `Bearer ${former.registration_access_token}` },
  });
  assert.equal(own.status, 200);
  assert.deepEqual(((await own.json()) as { redirect_uris: string[] }).redirect_uris, [
    'https://client.example/callback',
  ]);
  const token = (client_secret: string) =>
    postForm(`${gateway.url}/token`, {
      grant_type: 'authorization_code',
      client_id: former.client_id,
      client_secret,
      code: 'x',
      code_verifier: 'v'.repeat(43),
    });
  assert.equal((await token(former.client_secret)).status, 400, 'known, and the code is not');
  assert.equal((await token('wrong')).status, 401);
});
