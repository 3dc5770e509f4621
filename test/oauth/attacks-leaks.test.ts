import assert from 'node:assert/strict';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { browser } from '../support/browser.ts';
import {
  authorizationUrl,
  knock,
  people,
  pkce,
  postForm,
  postJson,
  redirectUri,
  register,
  testGateway,
} from '../support/oauth-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

interface Answer {
  readonly status: number;
  /** Everything of the answer that a log or a screenshot could keep. */
  readonly text: string;
  readonly json: Record<string, string>;
}

test('AU-75, RFC 6819 §5.1.4.1.3: no secret is in a log at its most talkative, in an error, or readable in the store', async () => {
  await using directory = await temporaryDirectory();
  const faults: Answer[] = [];
  const secrets: Record<string, string> = {};
  let logged = '';
  {
    await using at = await testGateway({ store: `file:${join(directory.path, 'store.db')}` });
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
    logged = at.logged();
  }
  assert.ok(faults.length > 100 && logged.length > 10_000, 'there was something to look at');
  const stored = readdirSync(directory.path)
    .map((file) => readFileSync(join(directory.path, file)).toString('latin1'))
    .join('');
  assert.ok(stored.length > 10_000);
  for (const [name, secret] of Object.entries(secrets)) {
    for (const written of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]) {
      const line = logged.split('\n').find((one) => one.includes(written));
      assert.equal(line, undefined, `the ${name} was logged`);
      assert.ok(!stored.includes(written), `the ${name} is in the store`);
      const repeated = faults.find(({ text }) => text.includes(written));
      assert.equal(repeated?.text, undefined, `the ${name} came back in an error`);
    }
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
