/** The gateway is killed at random moments under load; what it had told its clients must be true afterwards. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { askGateway } from '../../src/commands/admin-client.ts';
import { hashPassword } from '../../src/oauth/password.ts';
import { browser, type TestBrowser } from '../support/browser.ts';
import { freePort } from '../support/free-port.ts';
import {
  authorizationUrl,
  knock,
  people,
  pkce,
  postForm,
  refresh,
  register,
  signedIn,
  type Tokens,
} from '../support/oauth-client.ts';
import { type Program, startProgram } from '../support/program.ts';
import { redisMissing, startRedis } from '../support/redis.ts';
import { seeded } from '../support/seeded.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Hundreds in a long run: `GATEWAY_CRASHES=300`. */
const crashes = Number(process.env.GATEWAY_CRASHES ?? 2);
const missing = await redisMissing();
/** Nobody else can get a code that is sent there, so consent may stand for the person. */
const web = 'https://client.example/callback';

interface Holder {
  readonly clientId: string;
  refreshToken: string;
  accessToken: string;
  /** Its refresh was under way when the gateway died: nobody knows whether it was done. */
  unsure: boolean;
}

/** All that clients were told. */
interface Promises {
  readonly holders: Holder[];
  readonly registered: string[];
  readonly revoked: Holder[];
  readonly revokedAccess: string[];
  /** A person who allowed a client with a redirect URI of its own: neither login nor consent is asked for again. */
  readonly agreed: { readonly person: TestBrowser; readonly authorization: URL }[];
  /** Ids of keys that tokens may be signed with. */
  readonly keys: string[];
}

for (const kind of ['file:', 'redis:']) {
  const skip = kind === 'redis:' && missing;
  test(`${kind} kill -9 under load breaks no promise made to a client`, { skip, timeout: 3_600_000 }, async () => {
    await using directory = await temporaryDirectory();
    await using redis = kind === 'redis:' ? await startRedis(['--appendonly', 'yes']) : undefined;
    const config = await configuration(directory.path, redis?.url ?? `file:${join(directory.path, 'store.db')}`);
    const random = seeded(20_261_124);
    const kept: Promises = { holders: [], registered: [], revoked: [], revokedAccess: [], agreed: [], keys: [] };
    for (let crash = 0; crash <= crashes; crash += 1) {
      await using program = await startProgram({ config });
      await assertKept(program.url, kept);
      const rotate = () => askGateway({ stateDir: directory.path }, 'POST', '/keys/rotate', { compromised: false });
      if (crash < crashes) await loadUntilKilled(program, kept, 100 + random.below(600), rotate);
    }
    for (const promised of Object.values(kept)) assert.ok(promised.length > 0);
  });
}

async function configuration(stateDir: string, store: string): Promise<object> {
  const hash = await hashPassword(people.alice, { ln: 4, r: 8, p: 1 });
  writeFileSync(join(stateDir, 'store.key'), 'a key for tests, thirty-two letters at least', { mode: 0o600 });
  const url = `127.0.0.1:${await freePort()}`;
  return {
    publicUrl: `http://${url}`,
    entrypoints: { http: { listen: url } },
    stateDir,
    store,
    auth: {
      login: { password: { users: { alice: { hash } } } },
      registration: { perMinute: 100_000, perDay: 100_000 },
    },
    mcpServers: { one: { command: 'true' } },
  };
}

async function assertKept(url: string, kept: Promises): Promise<void> {
  for (const access of kept.revokedAccess.slice(-20)) assert.equal((await knock(url, access)).status, 401);
  for (const { clientId, refreshToken } of kept.revoked.slice(-20))
    assert.equal((await refresh(url, clientId, refreshToken)).body.error, 'invalid_grant');
  for (const clientId of kept.registered.slice(-50)) {
    const answer = await postForm(`${url}/revoke`, { client_id: clientId, token: 'x' });
    assert.equal(answer.status, 200, 'the registration is kept');
  }
  for (const { person, authorization } of kept.agreed.slice(-5))
    assert.match((await person.open(authorization, web)).url.href, /[?&]code=/, 'nothing is asked again');
  const { keys } = (await (await fetch(`${url}/jwks`)).json()) as { keys: { kid: string }[] };
  const published = new Set(keys.map(({ kid }) => kid));
  for (const kid of kept.keys) assert.ok(published.has(kid), 'a key that may sign is published');
  for (const holder of kept.holders.splice(0)) {
    assert.equal((await knock(url, holder.accessToken)).status, 400, 'let in by a token of before');
    // Where the answer was lost, the same token is shown again, as a client would: OAuth 2.1 §4.3.1.
    const { status, body } = await refresh(url, holder.clientId, holder.refreshToken);
    assert.equal(
      status,
      200,
      `a refresh token ${holder.unsure ? 'whose answer was lost' : 'that was promised'} is good`,
    );
    assert.equal((await knock(url, body.access_token)).status, 400, 'let in, without a session');
    if (kept.holders.length < 20) kept.holders.push(holding(holder.clientId, body));
  }
}

function holding(clientId: string, { refresh_token, access_token }: Tokens): Holder {
  return { clientId, refreshToken: refresh_token, accessToken: access_token, unsure: false };
}

/** Clients come, refresh and leave, and keys rotate, until the process is gone, `milliseconds` after the first of them was let in. */
async function loadUntilKilled(
  program: Program,
  kept: Promises,
  milliseconds: number,
  rotate: () => Promise<unknown>,
): Promise<void> {
  const { url } = program;
  let running = true;
  const first = Promise.withResolvers<void>();
  const until = async (deed: () => Promise<void>) => {
    while (running) {
      try {
        await deed();
      } catch (error) {
        if (running) throw error;
      }
    }
  };
  const come = async () => {
    const { clientId, tokens } = await signedIn(url);
    kept.registered.push(clientId);
    kept.holders.push(holding(clientId, tokens));
    first.resolve();
  };
  const renew = async () => {
    const holder = kept.holders.shift();
    if (holder === undefined) return come();
    kept.holders.push(holder);
    holder.unsure = true;
    const { status, body } = await refresh(url, holder.clientId, holder.refreshToken);
    assert.equal(status, 200);
    Object.assign(holder, holding(holder.clientId, body));
  };
  const leave = async () => {
    const { clientId, tokens } = await signedIn(url);
    const answer = await postForm(`${url}/revoke`, { client_id: clientId, token: tokens.refresh_token });
    assert.equal(answer.status, 200);
    kept.revoked.push(holding(clientId, tokens));
    kept.revokedAccess.push(tokens.access_token);
  };
  const enlist = async () => {
    kept.registered.push((await register(url, { client_name: `Client ${Math.random()}` })).client_id);
  };
  const agree = async () => {
    const { client_id: clientId } = await register(url, { client_name: `Web ${Math.random()}`, redirect_uris: [web] });
    const authorization = authorizationUrl(url, clientId, pkce().challenge, { redirect_uri: web });
    const person = browser();
    await person.authorize(authorization, { username: 'alice', password: people.alice });
    kept.agreed.push({ person, authorization });
  };
  const renewKeys = async () => {
    const { kid } = (await rotate()) as { kid: string };
    kept.keys.push(kid);
    // One in each of the many lives: all of them stay published.
    await first.promise;
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
  };
  const load = Promise.all([come, renew, leave, enlist, agree, renewKeys].map(until));
  load.catch(first.reject);
  await first.promise;
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  running = false;
  await program.stop('SIGKILL');
  await load;
}
