import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { browser, type TestBrowser } from '../support/browser.ts';
import { knock, people, signedIn, type TestGateway, testGateway } from '../support/oauth-client.ts';

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** As the page's script would, with the cookies of this browser. */
function ask(url: string, person: TestBrowser | undefined, { method = 'GET', headers = {}, body }: Asking = {}) {
  const cookie = [...(person?.cookies ?? [])].map((pair) => pair.join('=')).join('; ');
  const all = { 'sec-fetch-site': 'same-origin', ...(cookie !== '' && { cookie }), ...headers };
  return new Promise<Answered>((resolve, reject) => {
    const outgoing = request(url, { method, headers: all, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        // An event stream has no end: its beginning will do.
        if (answer.headers['content-type'] === 'text/event-stream' && text.includes('event: state')) answer.destroy();
      });
      answer.on('close', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
    });
    outgoing.on('error', reject).end(body);
  });
}

async function loggedIn(url: string, user: keyof typeof people): Promise<TestBrowser> {
  const person = browser();
  await person.press(await person.open(`${url}/console`), 'login', { username: user, password: people[user] });
  return person;
}

async function beginning(url: string, person: TestBrowser) {
  const { body } = await ask(`${url}/console/live`, person);
  return JSON.parse(/^event: beginning\ndata: (.*)$/m.exec(body)?.[1] ?? '{}');
}

const act = (url: string, person: TestBrowser | undefined, action: string, csrf: string, more: Asking = {}) =>
  ask(`${url}/console/${action}`, person, {
    method: 'POST',
    body: '{}',
    ...more,
    headers: { 'content-type': 'application/json', 'x-csrf-token': csrf, ...more.headers },
  });

test('auth.admins: where it names nobody there is no console', async () => {
  await using at = await testGateway();
  for (const path of ['/console', '/console/live', '/console/main.js', '/console/clients'])
    assert.equal((await ask(at.url + path, undefined)).status, 404, path);
});

describe('the console', () => {
  let at: TestGateway;
  let alice: TestBrowser;
  let bob: TestBrowser;
  let csrf: string;
  before(async () => {
    at = await testGateway({ auth: { admins: ['alice'] } });
    alice = await loggedIn(at.url, 'alice');
    bob = await loggedIn(at.url, 'bob');
    ({ csrf } = await beginning(at.url, alice));
  });
  after(async () => await at[Symbol.asyncDispose]());

  const everything = [
    'page.html',
    'main.js',
    'style.css',
    'live',
    'clients',
    'grants',
    'tokens',
    'users',
    'keys',
    'timeline',
  ];

  test('nobody logged in gets the login page, and 401 for all that stands behind it', async () => {
    const page = await browser().open(`${at.url}/console`);
    assert.match(page.text, /Log in/);
    for (const path of everything) assert.equal((await ask(`${at.url}/console/${path}`, undefined)).status, 401, path);
    assert.equal((await act(at.url, undefined, 'reload', csrf)).status, 401);
  });

  test('who is no administrator gets a page that says so with 403, and 403 for all that stands behind it', async () => {
    const page = await bob.open(`${at.url}/console`);
    assert.equal(page.status, 403);
    assert.match(page.text, /For administrators only[\s\S]*bob[\s\S]*auth\.admins/);
    for (const path of everything) assert.equal((await ask(`${at.url}/console/${path}`, bob)).status, 403, path);
    assert.equal((await act(at.url, bob, 'reload', csrf)).status, 403);
  });

  test('from that page one logs out, and in as somebody else', async () => {
    const person = await loggedIn(at.url, 'bob');
    await person.press(await person.open(`${at.url}/console`), 'logout');
    assert.match((await person.open(`${at.url}/console`)).text, /Password/);
  });

  test('RFC 9700 §4.16: an administrator gets a page that is framed by nobody, and runs nothing but its own files', async () => {
    const { status, headers, body } = await ask(`${at.url}/console`, alice);
    assert.equal(status, 200);
    assert.match(body, /<script type="module" src="\/console\/main\.js">/);
    assert.doesNotMatch(body, /<style|style=|onclick|<script>/);
    const policy = String(headers['content-security-policy']);
    for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"])
      assert.ok(policy.includes(part), policy);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
    assert.equal(headers['x-frame-options'], 'DENY');
    assert.equal(headers['cache-control'], 'no-store');
    const scripts = await ask(`${at.url}/console/main.js`, alice);
    assert.equal(scripts.headers['content-type'], 'text/javascript; charset=utf-8');
    assert.equal(scripts.headers['x-content-type-options'], 'nosniff');
  });

  test('Fetch Metadata, RFC 6454 §7: what another origin sends does nothing, though the cookies come along', async () => {
    const { tokens, clientId } = await signedIn(at.url);
    const body = JSON.stringify({ name: clientId });
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `${at.url}0` },
    ]) {
      const told = JSON.stringify(headers);
      assert.equal((await act(at.url, alice, 'delete-client', csrf, { body, headers })).status, 403, told);
      assert.equal((await ask(`${at.url}/console/clients`, alice, { headers })).status, 403, told);
    }
    assert.notEqual((await knock(at.url, tokens.access_token)).status, 401);
    const own = { origin: at.url };
    assert.equal((await act(at.url, alice, 'delete-client', csrf, { body, headers: own })).status, 200);
    assert.equal((await knock(at.url, tokens.access_token)).status, 401);
  });

  test('a change needs the token of this browser and this person, in its header', async () => {
    const again = await loggedIn(at.url, 'alice');
    const { csrf: other } = await beginning(at.url, again);
    assert.notEqual(other, csrf);
    for (const wrong of ['', 'x', other, `${csrf}x`])
      assert.equal((await act(at.url, alice, 'rotate-keys', wrong)).status, 403, wrong);
    assert.equal((await ask(`${at.url}/console/rotate-keys`, alice, { method: 'POST', body: '{}' })).status, 403);
    assert.equal((await act(at.url, again, 'rotate-keys', other, { body: '{"compromised":false}' })).status, 200);
  });

  test('RFC 9110 §15.5.6: what changes something is a POST, what shows something is read', async () => {
    const wrong = await ask(`${at.url}/console/reload`, alice);
    assert.deepEqual([wrong.status, wrong.headers.allow], [405, 'POST']);
    for (const path of ['', '/clients', '/live', '/main.js'])
      assert.equal((await act(at.url, alice, path.slice(1), csrf)).status, 405, path);
  });

  test('a body that is no object, names nobody, or is too large is refused', async () => {
    const send = async (body: string) => (await act(at.url, alice, 'delete-client', csrf, { body })).status;
    assert.deepEqual(
      [await send('['), await send('[]'), await send('{}'), await send('{"name":1}'), await send('{"name":""}')],
      [400, 400, 400, 400, 400],
    );
    assert.equal(await send('{"name":"nobody"}'), 404);
    assert.equal(await send(`{"name":"${'x'.repeat(20_000)}"}`), 413);
  });

  test('a revoked grant is out at once, and the log says who did it', async () => {
    const { tokens, clientId } = await signedIn(at.url);
    const { grants } = JSON.parse((await ask(`${at.url}/console/grants`, alice)).body);
    const { id } = grants.find((grant: { clientId: string }) => grant.clientId === clientId);
    assert.notEqual((await knock(at.url, tokens.access_token)).status, 401);
    const done = await act(at.url, alice, 'revoke-grant', csrf, { body: JSON.stringify({ name: id }) });
    assert.equal(done.status, 200);
    assert.equal((await knock(at.url, tokens.access_token)).status, 401);
    assert.match(at.logged(), /"administrator acted".*"action":"revoke-grant".*"subject":"password:alice"/);
    const again = await act(at.url, alice, 'revoke-grant', csrf, { body: JSON.stringify({ name: id }) });
    assert.equal(again.status, 404);
  });

  test('nothing that opens anything is shown, and no token or user can be made', async () => {
    const told = await Promise.all(everything.map((path) => ask(`${at.url}/console/${path}`, alice)));
    assert.doesNotMatch(told.map(({ body }) => body).join(), /secretHash|\$scrypt|eyJ[\w-]+\./);
    for (const path of ['POST /tokens', 'users', 'tokens'])
      assert.ok((await act(at.url, alice, encodeURIComponent(path), csrf)).status >= 404, path);
  });

  test('the tail of the log holds no secret, also of events that are given one', async () => {
    await ask(`${at.url}/authorize?client_id=nobody&state=hush-hush`, undefined);
    const { lines } = await beginning(at.url, alice);
    const text = JSON.stringify(lines);
    assert.match(text, /"event":"request"/);
    assert.match(text, /\[redacted\]/);
    assert.doesNotMatch(text, /hush-hush/);
  });

  test('the live stream ends with the login', async () => {
    const person = await loggedIn(at.url, 'alice');
    const cookie = [...person.cookies].map((pair) => pair.join('=')).join('; ');
    const stream = await fetch(`${at.url}/console/live`, { headers: { cookie } });
    assert.equal(stream.headers.get('content-type'), 'text/event-stream');
    await person.press(await person.open(`${at.url}/account`), 'logout');
    for await (const _ of stream.body ?? []);
    assert.equal((await fetch(`${at.url}/console/live`, { headers: { cookie } })).status, 401);
  });

  test('so many consoles and no more, and those that close make room', async () => {
    const cookie = [...alice.cookies].map((pair) => pair.join('=')).join('; ');
    const closing = new AbortController();
    const open = () => fetch(`${at.url}/console/live`, { headers: { cookie }, signal: closing.signal });
    const all = await Promise.all(Array.from({ length: 20 }, open));
    const statuses = all.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [...Array(16).fill(200), ...Array(4).fill(503)]);
    closing.abort();
  });

  test('a stop does not wait for a console that looks on', async () => {
    await using other = await testGateway({ auth: { admins: ['*'] }, limits: { drain: '30s' } });
    const person = await loggedIn(other.url, 'bob');
    const cookie = [...person.cookies].map((pair) => pair.join('=')).join('; ');
    const stream = await fetch(`${other.url}/console/live`, { headers: { cookie } });
    await other.gateway[Symbol.asyncDispose]();
    for await (const _ of stream.body ?? []);
  });
});
