import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccessRecord } from '../src/router/access-log.ts';
import type { Step } from '../src/router/handler.ts';
import { type Timeline, timeline } from '../src/timeline.ts';
import { browser } from './support/browser.ts';
import {
  authorizationUrl,
  knock,
  people,
  pkce,
  postForm,
  redirectUri,
  register,
  testGateway,
} from './support/oauth-client.ts';

const told = (step: Step, more: Partial<AccessRecord> = {}): AccessRecord => ({
  client: '192.0.2.7',
  userAgent: 'client/1.0',
  method: 'GET',
  host: 'mcp.example.com',
  path: '/',
  status: 200,
  duration: 1,
  protocol: 'HTTP/1.1',
  step,
  ...more,
});
const known = { clientId: 'abc' };
const inBrowser = { ...known, client: '198.51.100.1', userAgent: 'Mozilla' };
const way: readonly AccessRecord[] = [
  told('challenge', { status: 401, reason: 'invalid_token: An access token is needed' }),
  told('discovery'),
  told('registration', { ...known, status: 201 }),
  told('authorization', inBrowser),
  told('consent', inBrowser),
  told('token', known),
  told('call', { ...known, route: 'files' }),
];
const verdicts = (line: Timeline) => line.trails().map(({ state, verdict }) => `${state}: ${verdict}`);

const never: readonly (readonly [Step, RegExp])[] = [
  ['challenge', /^stuck: was told to log in and never asked for the metadata/],
  ['discovery', /^stuck: read the metadata and never registered/],
  ['registration', /^stuck: registered and never sent a person to \/authorize/],
  ['authorization', /^stuck: sent a person to \/authorize and nobody let it in/],
  ['consent', /^stuck: never redeemed its code/],
  ['token', /^stuck: token issued, but no call with it/],
  ['call', /^works: called once$/],
];
for (const [index, [step, expected]] of never.entries()) {
  test(`a client that came as far as ${step} is one trail, and what never came is named`, () => {
    let now = 0;
    const line = timeline(() => now);
    for (const record of way.slice(0, index + 1)) line.observe(record);
    if (step !== 'call') assert.match(verdicts(line).join(), /^under way: came as far as/);
    now = 61_000;
    assert.equal(line.trails().length, 1);
    assert.match(verdicts(line).join(), expected);
  });
}

test('what was refused is the verdict, until it works', () => {
  let now = 0;
  const line = timeline(() => ++now);
  for (const record of way.slice(0, 5)) line.observe(record);
  line.observe(told('token', { ...known, status: 400, reason: 'invalid_grant: The code_verifier does not fit' }));
  assert.match(verdicts(line).join(), /its token request was refused: invalid_grant: The code_verifier does not fit$/);
  line.observe(told('token', known));
  line.observe(told('challenge', { status: 401 }));
  assert.match(verdicts(line).join(), /token issued, but its calls come without it/);
  line.observe(told('call', { status: 401, reason: 'invalid_token: The access token is for another resource' }));
  assert.match(verdicts(line).join(), /its last call was refused: .*another resource$/);
  line.observe(told('call', known));
  assert.match(verdicts(line).join(), /^works: called once$/);
});

test('RFC 8628 §3.5: a device that asks whether its person has decided is not refused', () => {
  let now = 0;
  const line = timeline(() => now);
  line.observe(told('authorization', known));
  line.observe(told('token', { ...known, status: 400, reason: 'authorization_pending: Nobody has decided yet' }));
  now = 61_000;
  assert.match(verdicts(line).join(), /nobody let it in/);
});

test('another client behind the same address begins a trail of its own once the first has come all the way', () => {
  let now = 0;
  const line = timeline(() => ++now);
  for (const record of way) line.observe(record);
  line.observe(told('discovery'));
  assert.deepEqual(
    line.trails().map(({ clientId }) => clientId),
    [undefined, 'abc'],
  );
  line.observe(told('registration', { clientId: 'def', status: 201 }));
  const [second, first] = line.trails();
  assert.deepEqual([second?.clientId, first?.clientId], ['def', 'abc']);
  assert.deepEqual(Object.keys(second?.steps ?? {}), ['discovery', 'registration']);
});

test('strangers cannot fill the memory', () => {
  const line = timeline();
  for (let times = 0; times < 3000; times += 1) {
    line.observe(told('discovery', { userAgent: `agent ${times}` }));
    line.observe(told('registration', { userAgent: `agent ${times}`, clientId: `${times}`, reason: 'x'.repeat(9999) }));
  }
  assert.ok(line.trails().length <= 1000);
  assert.ok(JSON.stringify(line.trails()).length < 1_000_000);
});

test('a real client is followed from its 401 to its call, and its trail says whose code was never redeemed', async () => {
  await using at = await testGateway();
  await knock(at.url, undefined);
  await fetch(`${at.url}/.well-known/oauth-protected-resource/one/mcp`);
  const { client_id } = await register(at.url);
  const { verifier, challenge } = pkce();
  const back = await browser().authorize(authorizationUrl(at.url, client_id, challenge), {
    username: 'alice',
    password: people.alice,
  });
  const trail = () => at.gateway.timeline().find(({ clientId }) => clientId === client_id);
  assert.deepEqual(Object.keys(trail()?.steps ?? {}), [
    'challenge',
    'discovery',
    'registration',
    'authorization',
    'consent',
  ]);
  const code = back.searchParams.get('code') ?? '';
  const redeem = { client_id, grant_type: 'authorization_code', code, redirect_uri: redirectUri };
  await (await postForm(`${at.url}/token`, { ...redeem, code_verifier: 'x'.repeat(43) })).text();
  assert.match(trail()?.verdict ?? '', /^its token request was refused: invalid_grant/);
  const answer = await postForm(`${at.url}/token`, { ...redeem, code_verifier: verifier });
  const { access_token } = (await answer.json()) as { access_token: string };
  assert.match(trail()?.verdict ?? '', /came as far as token/);
  await (await knock(at.url, access_token, 'two')).text();
  assert.match(trail()?.verdict ?? '', /^its last call was refused: invalid_token: .*another resource/);
  assert.equal(trail()?.route, 'two');
});
