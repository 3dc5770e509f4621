import assert from 'node:assert/strict';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { browser } from '../support/browser.ts';
import { collector } from '../support/collector.ts';
import { app, fakeGitHub } from '../support/fake-github.ts';
import { freePort } from '../support/free-port.ts';
import {
  authorizationUrl,
  knock,
  people,
  pkce,
  postForm,
  postJson,
  redeem,
  redirectUri,
  register,
  type TestGateway,
  testGateway,
} from '../support/oauth-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Everything that tells what the gateway does, switched on and as talkative as can be. */
async function observation(directory: string) {
  const [collected, port] = [await collector(), await freePort()];
  const audit = join(directory, 'audit.log');
  return {
    config: {
      metrics: { listen: `127.0.0.1:${port}` },
      tracing: { otlp: { http: { endpoint: collected.site.url, headers: { 'x-api-key': 'key of the collector' } } } },
      log: { level: 'debug', audit },
    },
    /** Ends the gateway, so that its last traces are sent. */
    async observed(at: TestGateway): Promise<string> {
      const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      const timeline = JSON.stringify(at.gateway.timeline());
      const status = JSON.stringify(await at.gateway.status());
      await at.gateway[Symbol.asyncDispose]();
      const all = [
        at.logged(),
        readFileSync(audit, 'utf8'),
        metrics,
        JSON.stringify(collected.bodies),
        timeline,
        status,
      ];
      for (const [index, each] of all.entries())
        assert.ok(each.length > 500, `${index}: there was something to look at`);
      return all.join('\n');
    },
    [Symbol.asyncDispose]: () => collected[Symbol.asyncDispose](),
  };
}

interface Answer {
  readonly status: number;
  /** Everything of the answer that a log or a screenshot could keep. */
  readonly text: string;
  readonly json: Record<string, string>;
}

test('AU-75, RFC 6819 §5.1.4.1.3: no secret is in a log at its most talkative, in the audit log, a metric or a trace, in an error, or readable in the store', async () => {
  await using directory = await temporaryDirectory();
  const faults: Answer[] = [];
  const secrets: Record<string, string> = {};
  let observed = '';
  {
    await using watching = await observation(directory.path);
    await using at = await testGateway({ ...watching.config, store: `file:${join(directory.path, 'store.db')}` });
    const read = async (response: Response): Promise<Answer> => {
      const body = await response.text();
      const text = [...response.headers].flat().join('\n') + body;
      const json = /^\{/.test(body) ? (JSON.parse(body) as Record<string, string>) : {};
      const answer = { status: response.status, text, json };
      if (response.status >= 400) faults.push(answer);
      return answer;
    };
    const keep = (name: string, value: string | undefined): string => {
      assert.ok(value !== undefined && value.length > 7, name);
      secrets[name] = value;
      return value;
    };

    const client = await register(at.url, { token_endpoint_auth_method: 'client_secret_post' });
    const { client_id } = client;
    const client_secret = keep('client secret', client.client_secret);
    const management = keep('registration access token', client.registration_access_token);
    const { verifier, challenge } = pkce();
    keep('verifier', verifier);
    keep('password', people.alice);
    const screen = browser();
    const back = await screen.authorize(authorizationUrl(at.url, client_id, challenge), {
      username: 'alice',
      password: people.alice,
    });
    const code = keep('code', back.searchParams.get('code') ?? undefined);
    for (const [name, value] of screen.cookies) keep(`cookie ${name}`, value);
    for (const [index, page] of screen.visited.entries()) {
      for (const { name, value } of page.forms.flatMap(({ fields }) => fields)) {
        if (name === 'csrf') keep(`csrf ${index}`, value);
      }
    }
    const fields = { client_id, client_secret, grant_type: 'authorization_code', code, code_verifier: verifier };
    const tokens = (await read(await postForm(`${at.url}/token`, { ...fields, redirect_uri: redirectUri }))).json;
    const access = keep('access token', tokens.access_token);
    const refreshed = keep('refresh token', tokens.refresh_token);

    // Each secret where it is wrong: what is refused must not be repeated.
    const everything = Object.values(secrets);
    for (const secret of everything) {
      await read(await knock(at.url, secret, 'two'));
      await read(await fetch(`${at.url}/one/mcp?access_token=${encodeURIComponent(secret)}`));
      await read(
        await fetch(`${at.url}/callback?code=${encodeURIComponent(secret)}&state=${encodeURIComponent(secret)}`),
      );
      await read(await postForm(`${at.url}/token`, { ...fields, code: secret, client_id: secret }));
      await read(await postForm(`${at.url}/token`, { ...fields, code: secret, redirect_uri: secret }));
      await read(await postForm(`${at.url}/token`, { ...fields, code_verifier: secret }));
      await read(
        await postForm(`${at.url}/token`, { ...fields, grant_type: 'refresh_token', refresh_token: `${secret}x` }),
      );
      await read(await postForm(`${at.url}/token`, fields, { authorization: `Bearer ${secret}` }));
      await read(await postForm(`${at.url}/introspect`, { client_id, client_secret: `${secret}x`, token: secret }));
      await read(await postForm(`${at.url}/revoke`, { client_id, client_secret, token: `${secret}x` }));
      await read(
        await postForm(`${at.url}/authorize`, { csrf: secret, pending: secret, password: secret, action: 'login' }),
      );
      await read(await postJson(`${at.url}/register`, { redirect_uris: [], client_secret: secret }));
      await read(await fetch(`${at.url}/register/${client_id}`, { headers: { authorization: `Bearer ${secret}x` } }));
      await read(
        await fetch(`${at.url}/verify`, { headers: { authorization: `Bearer ${secret}`, cookie: `a=${secret}` } }),
      );
    }
    await read(
      await postForm(`${at.url}/token`, {
        ...fields,
        client_secret,
        grant_type: 'refresh_token',
        refresh_token: refreshed,
      }),
    );
    await read(await postForm(`${at.url}/token`, { ...fields, client_secret, redirect_uri: redirectUri }));
    await read(await knock(at.url, access));
    await read(await fetch(`${at.url}/register/${client_id}`, { headers: { authorization: `Bearer ${management}` } }));
    observed = await watching.observed(at);
  }
  assert.ok(faults.length > 100, 'there was something to look at');
  const stored = readdirSync(directory.path)
    .filter((file) => file.startsWith('store.db'))
    .map((file) => readFileSync(join(directory.path, file)).toString('latin1'))
    .join('');
  assert.ok(stored.length > 10_000);
  for (const [name, secret] of Object.entries(secrets)) {
    for (const written of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]) {
      const line = observed.split('\n').find((one) => one.includes(written));
      assert.equal(line, undefined, `the ${name} was told`);
      assert.ok(!stored.includes(written), `the ${name} is in the store`);
      const repeated = faults.find(({ text }) => text.includes(written));
      assert.equal(repeated?.text, undefined, `the ${name} came back in an error`);
    }
  }
});

test('RFC 6819 §5.1.4.1.3: nor is what the operator, an identity provider, a device, a script or a server behind trusts the gateway with', async () => {
  await using directory = await temporaryDirectory();
  await using github = await fakeGitHub();
  await using watching = await observation(directory.path);
  const storeKey = 'c3RvcmUga2V5IHRoYXQgbm9ib2R5IGlzIHRvbGQgb2Y';
  const upstreamKey = 'key of the server behind';
  await using at = await testGateway({
    ...watching.config,
    store: `file:${join(directory.path, 'store.db')}`,
    storeKey,
    auth: {
      login: { github: { ...app, webUrl: github.url, apiUrl: `${github.url}/api/v3`, allow: { users: ['*'] } } },
    },
    mcpServers: {
      one: { url: 'http://127.0.0.1:1/mcp', headers: { authorization: `Bearer ${upstreamKey}` } },
      two: { command: process.execPath, args: ['-e', 'process.exit(3)'], env: { API_KEY: upstreamKey } },
    },
  });
  const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';
  const keys = await generateKeyPair('ES256');
  const jwks = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'first' }] };
  const { client_id } = await register(at.url, {
    token_endpoint_auth_method: 'private_key_jwt',
    grant_types: ['authorization_code', 'refresh_token', deviceGrant],
    jwks,
  });
  const assertions: string[] = [];
  const signed = async (aud = at.url) => {
    const claims = { iss: client_id, sub: client_id, aud, exp: Date.now() / 1000 + 60, jti: `${assertions.length}` };
    const jwt = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'first' }).sign(keys.privateKey);
    assertions.push(jwt);
    return {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: jwt,
    };
  };
  const { verifier, challenge } = pkce();
  const back = await browser().authorize(authorizationUrl(at.url, client_id, challenge), { provider: 'github' });
  const code = back.searchParams.get('code') ?? '';
  assert.equal(
    (await redeem(at.url, client_id, { code, verifier }, await signed('https://elsewhere.example'))).status,
    401,
  );
  const { status, body: tokens } = await redeem(at.url, client_id, { code, verifier }, await signed());
  assert.equal(status, 200);
  assert.equal((await knock(at.url, tokens.access_token)).status, 502);
  const resource = `${at.url}/one/mcp`;
  const begun = await postForm(`${at.url}/device_authorization`, { client_id, resource, ...(await signed()) });
  const { device_code, user_code } = (await begun.json()) as Record<'device_code' | 'user_code', string>;
  await (await fetch(`${at.url}/device?user_code=${user_code}`)).text();
  const polled = { client_id, grant_type: deviceGrant, device_code, ...(await signed()) };
  assert.equal((await postForm(`${at.url}/token`, polled)).status, 400);
  const asked = { user: 'octocat', servers: ['two'], scope: [], name: 'script', lifetime: 3600 };
  const personal = await at.gateway.administration.tokens.issue(asked);
  await (await knock(at.url, personal.token, 'two')).text();
  await (await knock(at.url, personal.token, 'one')).text();

  const observed = await watching.observed(at);
  const secrets = {
    'key of the store': storeKey,
    'key of a server': upstreamKey,
    'secret at GitHub': app.clientSecret,
    'key of the collector': 'key of the collector',
    'personal token': personal.token,
    'refresh token': tokens.refresh_token,
    code,
    device_code,
    user_code,
    ...Object.fromEntries([...github.issued, ...assertions].map((secret, index) => [`secret ${index}`, secret])),
  };
  assert.ok(github.issued.length === 2 && assertions.length === 4);
  for (const [name, secret] of Object.entries(secrets)) {
    assert.ok(secret.length > 7, name);
    const line = observed.split('\n').find((one) => one.includes(secret) || one.includes(encodeURIComponent(secret)));
    assert.equal(line, undefined, name);
  }
});

test('RFC 6819 §5.1.4.2.2: what opens something has at least 128 bits, and no two are alike', async () => {
  await using at = await testGateway();
  const seen = new Set<string>();
  for (let times = 0; times < 5; times += 1) {
    const client = await register(at.url, {
      client_name: `${times}`,
      token_endpoint_auth_method: 'client_secret_basic',
    });
    for (const secret of [client.client_id, client.client_secret, client.registration_access_token]) {
      assert.match(secret ?? '', /^[\w-]{22,}$/);
      seen.add(secret ?? '');
    }
  }
  assert.equal(seen.size, 15);
});

const root = join(import.meta.dirname, '../../src/oauth');
const sources = globSync('**/*.ts', { cwd: root }).map((file) => ({
  file,
  text: readFileSync(join(root, file), 'utf8'),
}));

test('RFC 6819 §4.6.3: secrets are compared by hash or in constant time, never by a comparison that stops early', () => {
  const name = '[\\w.]*(?:secret|token|verifier|challenge|csrf|password|signature|hash)\\w*';
  const known = "(?:undefined|null|''|[\\d(])";
  const early = new RegExp(
    `\\b${name}\\)? *[!=]==?(?!=) *(?! |${known}|typeof)|(?<!${known} *)[!=]== *${name}\\b`,
    'i',
  );
  const found = sources.flatMap(({ file, text }) =>
    text.split('\n').flatMap((line) => {
      const code = line.replace(/\/\/.*$|'[^']*'/g, "''");
      return !/^\s*\*|typeof \w+ ===/.test(code) && early.test(code) ? [`${file}: ${line.trim()}`] : [];
    }),
  );
  assert.deepEqual(found, []);
  for (const file of ['secrets.ts', 'pkce.ts', 'browser-side.ts', 'password.ts']) {
    assert.match(sources.find((source) => source.file === file)?.text ?? '', /timingSafeEqual\(/, file);
  }
});

test('RFC 6819 §5.1.5.2: nothing that has to be unguessable is made by Math.random', () => {
  for (const { file, text } of sources) assert.doesNotMatch(text, /Math\.random/, file);
});
