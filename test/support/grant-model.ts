/**
 * Clients and people doing random things with grants at a running gateway, many at the same moment, beside a model of who
 * may hold what. Every answer is held against the model, and so is every token that was ever given out.
 */

import assert from 'node:assert/strict';
import { browser, type TestBrowser } from './browser.ts';
import {
  authorizationUrl,
  knock,
  people,
  pkce,
  postForm,
  type Registered,
  register,
  type Tokens,
} from './oauth-client.ts';
import type { Seeded } from './seeded.ts';

const redirect = 'https://app.example/cb';
/** Behind the guard a POST without a session is 400: whoever gets that far was let in. */
const letIn = 400;

interface ModelGrant {
  readonly client: Registered;
  readonly code: string;
  readonly verifier: string;
  readonly access: string[];
  /** In the order they were given out; the last one is unused. */
  readonly refresh: string[];
  redemptions: number;
  state: 'code' | 'live' | 'ended';
}

type Deed =
  | 'redeem'
  | 'steal code'
  | 'refresh'
  | 'refresh used'
  | 'steal refresh'
  | 'revoke'
  | 'revoke other'
  | 'introspect';

interface Answer {
  readonly status: number;
  readonly body: Partial<Tokens> & { readonly active?: boolean };
}

export interface GrantModel {
  /** A random deed, or several at once at one grant. */
  step(): Promise<void>;
  /** Every token that was ever given out is good exactly if the model says so. */
  settle(): Promise<void>;
  readonly counts: { redemptions: number; ended: number; atOnce: number };
}

/** `graceful`: whether a used refresh token is answered again, as with the default `refreshGrace`. */
export function grantModel(url: string, random: Seeded, graceful: boolean): GrantModel {
  const clients: Registered[] = [];
  const grants: ModelGrant[] = [];
  const screens = new Map<string, TestBrowser>();
  const counts = { redemptions: 0, ended: 0, atOnce: 0 };
  let named = 0;

  const post = async (path: string, client: Registered, fields: Record<string, string>): Promise<Answer> => {
    const { client_id, client_secret } = client;
    const sent = { client_id, ...(client_secret !== undefined && { client_secret }), ...fields };
    const response = await postForm(url + path, sent);
    const text = await response.text();
    assert.ok(response.status < 500, `${path}: ${response.status} ${text}`);
    return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Answer['body']) };
  };
  const token = (client: Registered, fields: Record<string, string>) => post('/token', client, fields);
  const redeem = (grant: ModelGrant, by = grant.client) =>
    token(by, {
      grant_type: 'authorization_code',
      code: grant.code,
      code_verifier: grant.verifier,
      redirect_uri: redirect,
    });
  const refresh = (grant: ModelGrant, refresh_token: string, by = grant.client) =>
    token(by, { grant_type: 'refresh_token', refresh_token });
  const other = (grant: ModelGrant) => random.pick(clients.filter((client) => client !== grant.client));

  function end(grant: ModelGrant): void {
    if (grant.state !== 'ended') counts.ended += 1;
    grant.state = 'ended';
  }

  async function newClient(): Promise<void> {
    named += 1;
    const method = random.pick(['none', 'none', 'client_secret_post']);
    const metadata = { client_name: `Model ${named}`, redirect_uris: [redirect], token_endpoint_auth_method: method };
    clients.push(await register(url, metadata));
  }

  async function authorize(): Promise<void> {
    const client = random.pick(clients);
    const username = random.pick(['alice', 'bob'] as const);
    const screen = screens.get(username) ?? browser();
    screens.set(username, screen);
    const { verifier, challenge } = pkce();
    const asked = authorizationUrl(url, client.client_id, challenge, { redirect_uri: redirect });
    const code = (await screen.authorize(asked, { username, password: people[username] })).searchParams.get('code');
    assert.ok(code !== null, 'no code');
    grants.push({ client, code, verifier, access: [], refresh: [], redemptions: 0, state: 'code' });
  }

  /** RFC 7592 §2.3: the client goes, and with it all it was granted. */
  async function deleteClient(): Promise<void> {
    const [client] = clients.splice(random.below(clients.length), 1);
    const of = grants.filter((grant) => grant.client === client);
    // While it is under way, the client tries to keep what it has.
    const attempts = of.flatMap((grant) => [
      redeem(grant),
      ...grant.refresh.slice(-1).map((one) => refresh(grant, one)),
    ]);
    const [response, ...answers] = await Promise.all([
      fetch(client?.registration_client_uri ?? '', {
        method: 'DELETE',
        headers: { authorization: `Bearer ${client?.registration_access_token}` },
      }),
      ...attempts,
    ]);
    assert.equal(response.status, 204);
    for (const grant of of) end(grant);
    // Whatever was still given out belongs to nobody.
    for (const { body } of answers) of[0]?.access.push(...[body.access_token ?? []].flat());
    if (clients.length < 2) await newClient();
  }

  function deeds(grant: ModelGrant): Deed[] {
    const held: Deed[] =
      grant.refresh.length === 0 ? [] : ['refresh', 'refresh', 'steal refresh', 'revoke', 'revoke other', 'introspect'];
    return ['redeem', 'steal code', ...held, ...(grant.refresh.length > 1 ? (['refresh used'] as const) : [])];
  }

  /** A request, and what its answer has to be whatever else happens at the same moment. */
  async function act(grant: ModelGrant, deed: Deed): Promise<Answer> {
    const current = grant.refresh.at(-1) ?? '';
    switch (deed) {
      case 'redeem':
        return await redeem(grant);
      case 'steal code': {
        const answer = await redeem(grant, other(grant));
        assert.equal(answer.body.error, 'invalid_grant', 'another client redeems the code');
        return answer;
      }
      case 'refresh':
        return await refresh(grant, current);
      case 'refresh used':
        return await refresh(grant, random.pick(grant.refresh.slice(0, -1)));
      case 'steal refresh': {
        const answer = await refresh(grant, random.pick(grant.refresh), other(grant));
        assert.equal(answer.body.error, 'invalid_grant', 'another client refreshes');
        return answer;
      }
      case 'revoke': {
        const answer = await post('/revoke', grant.client, { token: random.pick([current, ...grant.access]) });
        assert.equal(answer.status, clients.includes(grant.client) ? 200 : 401);
        return answer;
      }
      case 'revoke other':
        return await post('/revoke', other(grant), { token: random.pick([current, ...grant.access]) });
      case 'introspect': {
        const { body } = await post('/introspect', other(grant), { token: random.pick([current, ...grant.access]) });
        assert.deepEqual(body, { active: false }, 'another client learns of the token');
        return { status: 200, body: {} };
      }
    }
  }

  /** Several deeds at one moment; afterwards what must be, whatever their order was. */
  async function storm(): Promise<void> {
    // Mostly what is still going on.
    const alive = grants.filter(({ state }) => state !== 'ended');
    const grant = random.pick(alive.length > 0 && random.below(4) > 0 ? alive : grants);
    const possible = deeds(grant);
    const size = random.pick([1, 1, 2, 3, 6]);
    // Often the very same thing several times: that is what races are made of.
    const same = random.below(2) === 0 ? random.pick(possible) : undefined;
    const chosen = Array.from({ length: size }, () => same ?? random.pick(possible));
    const before = grant.state;
    const answers = await Promise.all(chosen.map((deed) => act(grant, deed)));
    counts.atOnce += size - 1;
    const count = (deed: Deed) => chosen.filter((one) => one === deed).length;
    const given = (deed: Deed) => answers.filter(({ status }, index) => chosen[index] === deed && status === 200);

    const redeemed = given('redeem').length;
    grant.redemptions += redeemed;
    counts.redemptions += redeemed;
    assert.ok(grant.redemptions <= 1, `the code was redeemed ${grant.redemptions} times`);
    const successors = [...given('refresh'), ...given('refresh used')].map(({ body }) => body.refresh_token ?? '');
    for (const { body } of answers) grant.access.push(...[body.access_token ?? []].flat());
    if (before === 'ended')
      assert.equal(redeemed + successors.length, 0, 'something was given for a grant that had ended');
    if (!graceful)
      assert.ok(given('refresh').length <= 1 && given('refresh used').length === 0, 'a used token was taken');

    // OAuth 2.1 §4.1.3, RFC 9700 §4.14.2, RFC 7009 §2.1.
    const replayed = count('redeem') > 1 || (count('redeem') > 0 && before !== 'code');
    const reused = !graceful && (count('refresh') > 1 || count('refresh used') > 0);
    const endsAll = count('revoke') > 0 || replayed || reused;
    if (before === 'ended') return;
    if (before === 'code') {
      if (count('redeem') === 0) return;
      if (!endsAll) assert.equal(redeemed, 1, 'the only redemption of a good code was refused');
      grant.refresh.push(...given('redeem').map(({ body }) => body.refresh_token ?? ''));
      grant.state = 'live';
    }
    const fresh = [...new Set(successors)].filter((one) => !grant.refresh.includes(one));
    assert.ok(fresh.length <= 1, 'a refresh token has two successors');
    grant.refresh.push(...fresh);
    if (endsAll) end(grant);
    else if (count('refresh') > 0)
      assert.equal(given('refresh').length, count('refresh'), 'a good refresh was refused');
  }

  async function isLet(access: string): Promise<boolean> {
    const response = await knock(url, access);
    await response.body?.cancel();
    assert.ok(response.status === letIn || response.status === 401, String(response.status));
    return response.status === letIn;
  }

  async function check(grant: ModelGrant): Promise<void> {
    const live = grant.state === 'live';
    for (const access of new Set(grant.access)) {
      assert.equal(await isLet(access), live, `an access token of a grant that is ${grant.state}`);
    }
    const current = grant.refresh.at(-1);
    if (current === undefined || !clients.includes(grant.client)) return;
    const { body } = await post('/introspect', grant.client, { token: current });
    assert.equal(body.active, live, `the refresh token of a grant that is ${grant.state}`);
  }

  return {
    counts,
    async step() {
      while (clients.length < 3) await newClient();
      const choice = grants.length === 0 ? 0 : random.below(20);
      if (choice < 4) await authorize();
      else if (choice === 4) await deleteClient();
      else await storm();
      if (grants.length > 0) await check(random.pick(grants));
    },
    async settle() {
      for (const grant of grants) await check(grant);
      for (const grant of grants.filter(({ state }) => state === 'ended')) {
        for (const one of grant.refresh)
          assert.notEqual((await refresh(grant, one)).status, 200, 'refreshed after the end');
        assert.notEqual((await redeem(grant)).status, 200, 'redeemed after the end');
        await check(grant);
      }
    },
  };
}
