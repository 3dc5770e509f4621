import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browser, type Page, type TestBrowser } from '../support/browser.ts';
import { freePort } from '../support/free-port.ts';
import {
  authorizationUrl,
  people,
  pkce,
  redirectUri,
  register,
  type TestGateway,
  testGateway,
} from '../support/oauth-client.ts';

let at: TestGateway;
before(async () => {
  at = await testGateway({ auth: { registration: { mode: 'open', perMinute: 10_000 } } });
});
after(() => at[Symbol.asyncDispose]());

const alice = { username: 'alice', password: people.alice };
const web = 'https://app.example/cb';

async function client(redirect = web): Promise<string> {
  return (await register(at.url, { client_name: `Client ${Math.random()}`, redirect_uris: [redirect] })).client_id;
}

function url(clientId: string, more: Record<string, string> = {}): URL {
  return authorizationUrl(at.url, clientId, pkce().challenge, { redirect_uri: web, ...more });
}

/** The consent page of this client, shown to Alice. */
async function consentPage(screen: TestBrowser, clientId: string, more: Record<string, string> = {}): Promise<Page> {
  const page = await screen.open(url(clientId, more));
  return page.html.includes('type="password"') ? await screen.press(page, 'login', alice) : page;
}

const field = (page: Page, name: string) =>
  page.forms.flatMap(({ fields }) => fields).find((one) => one.name === name)?.value ?? '';

/** A form posted with a victim's cookies from wherever `headers` say. */
async function post(
  screen: TestBrowser,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Response> {
  const cookie = [...screen.cookies].map((pair) => pair.join('=')).join('; ');
  const body = new URLSearchParams(fields);
  return fetch(`${at.url}/authorize`, { method: 'POST', redirect: 'manual', headers: { cookie, ...headers }, body });
}

/** Nothing went to the client. */
async function givesNothing(response: Response, title: string): Promise<void> {
  const text = await response.text();
  assert.equal(response.headers.get('location'), null, title);
  assert.doesNotMatch(text, /http-equiv="refresh"|[?&;]code=/, title);
  assert.ok(response.status >= 400, `${title}: ${response.status}`);
}

test('AU-40, W4: a second client gets nothing from a live login and a remembered consent but the consent page', async () => {
  const screen = browser();
  const first = await client();
  assert.ok((await screen.authorize(url(first), alice)).searchParams.get('code'));
  const again = await screen.open(url(first), web);
  assert.ok(again.url.searchParams.get('code'), 'the first is remembered');

  const second = await client();
  const page = await screen.open(url(second), web);
  assert.equal(page.url.origin, at.url, 'no redirect to the second client');
  assert.ok(page.forms.some(({ buttons }) => buttons.some(({ value }) => value === 'allow')));
  const silent = await screen.open(url(second, { prompt: 'none' }), web);
  assert.equal(silent.url.searchParams.get('error'), 'consent_required');
  assert.equal(silent.url.searchParams.get('code'), null);
});

test('AU-40, RFC 9700 §4.1.1: a remembered consent covers neither another redirect host, resource or scope', async () => {
  const screen = browser();
  const uris = [web, 'https://other.example/cb'];
  const { client_id } = await register(at.url, { client_name: 'Several', redirect_uris: uris });
  await screen.authorize(url(client_id), alice);
  for (const more of [{ redirect_uri: uris[1] ?? '' }, { resource: `${at.url}/two/mcp` }, { resource: '' }]) {
    const page = await screen.open(url(client_id, more), more.redirect_uri ?? web);
    assert.equal(page.url.origin, at.url, JSON.stringify(more));
  }
});

test('RFC 8252 §7.1, §8.6: on loopback and by an app scheme any program can listen, so each request is asked about', async () => {
  for (const redirect of [redirectUri, 'com.example.app:/cb']) {
    const screen = browser();
    const id = await client(redirect);
    for (let times = 0; times < 2; times += 1) {
      const page = await consentPage(screen, id, { redirect_uri: redirect });
      assert.ok(
        page.forms.some(({ buttons }) => buttons.some(({ value }) => value === 'allow')),
        `${redirect} ${times}`,
      );
      await screen.press(page, 'allow', {}, redirect);
    }
  }
});

test('AU-41, RFC 9700 §4.7: consent is given by our form in the same browser alone', async () => {
  const [victim, attacker] = [browser(), browser()];
  const id = await client();
  const page = await consentPage(victim, id);
  const theirs = await consentPage(attacker, await client());
  const good = { pending: field(page, 'pending'), csrf: field(page, 'csrf'), as: field(page, 'as'), action: 'allow' };
  const own = {
    pending: field(theirs, 'pending'),
    csrf: field(theirs, 'csrf'),
    as: field(theirs, 'as'),
    action: 'allow',
  };
  const forged: [string, Record<string, string>, Record<string, string>][] = [
    ['no token', { ...good, csrf: '' }, {}],
    ['a wrong token', { ...good, csrf: 'x'.repeat(43) }, {}],
    ['the token of another browser', { ...good, csrf: own.csrf }, {}],
    ['the request of another browser', own, {}],
    ['the token of another request', { ...good, pending: own.pending }, {}],
    ['no request', { csrf: good.csrf, as: good.as, action: 'allow' }, {}],
    ['from another site', good, { 'sec-fetch-site': 'cross-site' }],
    ['from a sibling host', good, { 'sec-fetch-site': 'same-site' }],
    ['no button', { ...good, action: '' }, {}],
    ['an unknown button', { ...good, action: 'with:__proto__' }, {}],
  ];
  for (const [title, fields, headers] of forged) await givesNothing(await post(victim, fields, headers), title);
  await givesNothing(await post(browser(), good), 'without the cookies');
  await givesNothing(await post(attacker, good), "with the attacker's cookies");
  const done = await post(victim, good);
  assert.match(await done.text(), /code=/, 'the real one works');
  await givesNothing(await post(victim, good), 'the same form again');
});

test('AU-41: who the page was shown to is who allows; a change of login in between is asked again', async () => {
  const screen = browser();
  const id = await client();
  const page = await consentPage(screen, id);
  // Another tab logs in as Bob.
  const tab = await screen.open(url(await client(), { prompt: 'login' }));
  await screen.press(tab, 'login', { username: 'bob', password: people.bob });
  const answer = await screen.press(page, 'allow', {}, web);
  assert.equal(answer.url.origin, at.url, 'no code for Bob by a page that said Alice');
  assert.match(answer.text, /bob/);
});

test('RFC 9700 §4.7: nobody is logged in by a form of an attacker (login CSRF)', async () => {
  const [victim, attacker] = [browser(), browser()];
  const page = await attacker.open(url(await client()));
  await victim.open(url(await client()));
  const before = new Map(victim.cookies);
  const fields = { pending: field(page, 'pending'), csrf: field(page, 'csrf'), action: 'login', ...alice };
  const response = await post(victim, fields);
  await givesNothing(response, 'login CSRF');
  assert.equal(response.headers.get('set-cookie'), null);
  assert.deepEqual(victim.cookies, before);
});

test('session fixation: a cookie planted before the login is worth nothing after it', async () => {
  const [victim, attacker] = [browser(), browser()];
  await attacker.open(url(await client()));
  for (const [name, value] of attacker.cookies) victim.cookies.set(name, value);
  const port = new URL(at.url).port;
  attacker.cookies.set(`login-${port}`, 'x'.repeat(43));
  victim.cookies.set(`login-${port}`, 'x'.repeat(43));
  await consentPage(victim, await client());
  assert.notEqual(victim.cookies.get(`login-${port}`), 'x'.repeat(43), 'the login has a cookie of its own');
  const page = await attacker.open(url(await client()));
  assert.match(page.html, /type="password"/, 'the attacker is not logged in');
  const silent = await attacker.open(url(await client(), { prompt: 'none' }), web);
  assert.equal(silent.url.searchParams.get('error'), 'login_required');
});

test('RFC 9700 §4.7: two tabs opened at once by two programs, in a browser that was never here, both come to their client', async () => {
  const screen = browser();
  const asked = await Promise.all([client(), client()]);
  const tabs = await Promise.all(asked.map((id) => screen.open(url(id))));
  const consents = await Promise.all(tabs.map((tab) => screen.press(tab, 'login', alice)));
  for (const page of consents) {
    // Who of them logged in last is who is logged in: the same person here, and each page is answered once.
    const done = await screen.press(page, 'allow', {}, web);
    assert.ok(done.url.searchParams.get('code'), done.text);
  }
});

test('a browser’s cookie under a name that its value does not give is as good as none', async () => {
  const screen = browser();
  await screen.open(url(await client()));
  const [[name = '', value = ''] = []] = screen.cookies;
  screen.cookies.clear();
  screen.cookies.set(`${name.slice(0, -8)}AAAAAAAA`, value);
  await screen.open(url(await client()));
  assert.equal(screen.cookies.size, 2, 'it got one of its own');
});

test('AU-43: a callback that nobody began, or that another browser began, ends on a page of ours', async () => {
  for (const query of ['', '?code=x&state=bad', `?code=x&state=${'x'.repeat(43)}`, '?error=access_denied', '?state=']) {
    const page = await browser().open(`${at.url}/callback${query}`, web);
    assert.equal(page.status, 400, query);
    assert.equal(page.url.origin, at.url);
  }
});

test('AU-42: the cookies of an https gateway are __Host-, Secure, HttpOnly and SameSite=Lax', async () => {
  const publicUrl = 'https://gateway.example';
  const port = await freePort();
  const clients = [{ client_id: 'configured', redirect_uris: [web] }];
  const entrypoints = { http: { listen: `127.0.0.1:${port}` } };
  await using _ = await testGateway({ publicUrl, entrypoints, auth: { clients } });
  const screen = browser({ origins: { [publicUrl]: `http://127.0.0.1:${port}` } });
  const resource = `${publicUrl}/one/mcp`;
  const asked = authorizationUrl(publicUrl, 'configured', pkce().challenge, { redirect_uri: web, resource });
  assert.ok((await screen.authorize(asked, alice)).searchParams.get('code'));
  const set = screen.visited.flatMap(({ headers }) => headers['set-cookie'] ?? []);
  assert.equal(set.length, 2, 'one for the browser, one for the login');
  for (const cookie of set) {
    assert.match(
      cookie,
      /^__Host-(browser-[\w-]{8}|login)=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Secure(; Max-Age=\d+)?$/,
    );
  }
});

test('AU-41, RFC 9700 §4.16: every page is framed by nobody, runs nothing, leaks no address and shows strangers’ text as text', async () => {
  const evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>';
  const { client_id } = await register(at.url, { client_name: evil, redirect_uris: [web] });
  const screen = browser();
  await screen.open(url(client_id));
  await consentPage(screen, client_id);
  await screen.open(`${at.url}/callback?state=x`);
  await screen.open(url('unknown'));
  await screen.open(url(client_id, { redirect_uri: 'https://evil.example/"><script>' }));
  for (const { headers, html, url: shown } of screen.visited) {
    assert.match(
      String(headers['content-security-policy']),
      /default-src 'none';.*form-action 'self'; base-uri 'none'; frame-ancestors 'none'/,
    );
    assert.doesNotMatch(String(headers['content-security-policy']), /unsafe|\*/);
    assert.equal(headers['x-frame-options'], 'DENY');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['referrer-policy'], 'no-referrer');
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['access-control-allow-origin'], undefined, 'no page of another origin reads it');
    assert.doesNotMatch(html, /<script|<img|<[^>]* on\w+=|javascript:/i, shown.pathname);
  }
});

test('RFC 9700 §4.12: a password that was posted is never posted on: no answer to a form is 307 or 308', async () => {
  const screen = browser();
  const page = await consentPage(screen, await client());
  await screen.press(page, 'allow', {}, web);
  assert.ok(screen.visited.every(({ status }) => status !== 307 && status !== 308));
  assert.ok(screen.visited.every((one) => !one.url.href.includes(encodeURIComponent(people.alice))));
});
