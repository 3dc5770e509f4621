/** An OAuth client at a running gateway: every step by hand, so that tests can do each of them wrong. */

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import { operations } from '../../src/admin/operations.ts';
import { openAuditLog } from '../../src/audit-log.ts';
import { loadConfig } from '../../src/config.ts';
import { type Gateway, startGateway } from '../../src/gateway.ts';
import { log, overheard } from '../../src/log.ts';
import { hashPassword } from '../../src/oauth/password.ts';
import { browser } from './browser.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { testStore } from './test-store.ts';

export interface TestGateway extends AsyncDisposable {
  readonly url: string;
  readonly gateway: Gateway;
  readonly logged: () => string;
}

export const redirectUri = 'http://127.0.0.1:33418/callback';
export const people = { alice: 'correct horse', bob: 'battery staple' };

/** Two servers, `one` and `two`, that nobody needs to start, and two users, unless `auth` names its own ways to log in. */
export async function testGateway({ auth, ...overrides }: Record<string, unknown> = {}): Promise<TestGateway> {
  const directory = await temporaryDirectory();
  const cost = { ln: 4, r: 8, p: 1 };
  const users = {
    alice: { hash: await hashPassword(people.alice, cost) },
    bob: { hash: await hashPassword(people.bob, cost) },
  };
  let logged = '';
  const output = new Writable({
    write(chunk, _, done) {
      logged += String(chunk);
      done();
    },
  });
  const config = loadConfig({
    env: {},
    overrides: {
      entrypoints: { http: { listen: '127.0.0.1:0' } },
      limits: { drain: '0' },
      ...(await testStore(directory.path)),
      auth: { login: { password: { users } }, ...(auth as object | undefined) },
      mcpServers: { one: { command: 'true' }, two: { command: 'true', scopes: ['admin'] } },
      ...overrides,
    },
  });
  const written = log({ level: 'debug', format: 'json', output });
  const audit = config.log.audit === undefined ? undefined : openAuditLog(config.log.audit, written);
  const gateway = await startGateway(
    config,
    audit === undefined ? written : overheard(written, audit.hear),
    (gateway) => operations({ gateway, reload: () => gateway.reload(config) }),
  );
  return {
    url: gateway.publicUrl.origin,
    gateway,
    logged: () => logged,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      audit?.[Symbol.dispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

export interface Registered {
  readonly client_id: string;
  readonly client_secret?: string;
  readonly registration_access_token?: string;
  readonly registration_client_uri?: string;
}

export async function register(url: string, metadata: object = {}): Promise<Registered> {
  const body = { client_name: 'Test', redirect_uris: [redirectUri], token_endpoint_auth_method: 'none', ...metadata };
  const response = await postJson(`${url}/register`, body);
  if (response.status !== 201) throw new Error(`register: ${response.status} ${await response.text()}`);
  return (await response.json()) as Registered;
}

export function postJson(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: text });
}

export function postForm(
  url: string,
  fields: Record<string, string> | [string, string][],
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(url, { method: 'POST', headers, body: new URLSearchParams(fields) });
}

export function pkce(): { verifier: string; challenge: string } {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

export function authorizationUrl(
  url: string,
  clientId: string,
  challenge: string,
  more: Record<string, string> = {},
): URL {
  const target = new URL('/authorize', url);
  const sent = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    state: 'xyz',
    resource: `${url}/one/mcp`,
    ...more,
  };
  for (const [name, value] of Object.entries(sent)) if (value !== '') target.searchParams.set(name, value);
  return target;
}

/** A code that `user` allowed the client, and the verifier it is good with. */
export async function codeFor(
  url: string,
  clientId: string,
  more: Record<string, string> = {},
  user: keyof typeof people = 'alice',
): Promise<{ code: string; verifier: string }> {
  const { verifier, challenge } = pkce();
  const person = { username: user, password: people[user] };
  const back = await browser().authorize(authorizationUrl(url, clientId, challenge, more), person);
  const code = back.searchParams.get('code');
  if (code === null) throw new Error(`no code: ${back}`);
  return { code, verifier };
}

export interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
  readonly token_type: string;
  readonly scope: string;
  readonly error?: string;
}

export async function redeem(
  url: string,
  clientId: string,
  proof: { code: string; verifier: string },
  more: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; body: Tokens }> {
  const response = await postForm(`${url}/token`, {
    grant_type: 'authorization_code',
    client_id: clientId,
    code: proof.code,
    code_verifier: proof.verifier,
    redirect_uri: redirectUri,
    ...more,
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Tokens };
}

export async function refresh(
  url: string,
  clientId: string,
  token: string,
  more: Record<string, string> = {},
): Promise<{ status: number; body: Tokens }> {
  const fields = { grant_type: 'refresh_token', client_id: clientId, refresh_token: token, ...more };
  const response = await postForm(`${url}/token`, fields);
  return { status: response.status, body: (await response.json()) as Tokens };
}

/** A public client of its own with the tokens that `user` allowed it. */
export async function signedIn(
  url: string,
  more: Record<string, string> = {},
  user: keyof typeof people = 'alice',
): Promise<{ clientId: string; tokens: Tokens }> {
  const { client_id: clientId } = await register(url, { client_name: `Client ${randomBytes(6).toString('hex')}` });
  const { status, body } = await redeem(url, clientId, await codeFor(url, clientId, more, user));
  if (status !== 200) throw new Error(`token: ${status} ${JSON.stringify(body)}`);
  return { clientId, tokens: body };
}

/** Resolves when the token is refused. What was taken back elsewhere is let in for a moment more (test/store/recent-reads.test.ts), and never again after. */
export async function refused(url: string, token: string): Promise<void> {
  let status = 0;
  while (status !== 401) {
    ({ status } = await knock(url, token));
    assert.ok(status === 400 || status === 401, `${status}`);
  }
  assert.equal((await knock(url, token)).status, 401);
}

/** What a guarded server says to this token: 401, 403, or whatever comes behind the guard. */
export async function knock(
  url: string,
  token?: string,
  server = 'one',
  headers: Record<string, string> = {},
): Promise<Response> {
  return postJson(
    `${url}/${server}/mcp`,
    { jsonrpc: '2.0', id: 1, method: 'ping' },
    {
      accept: 'application/json, text/event-stream',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
  );
}
