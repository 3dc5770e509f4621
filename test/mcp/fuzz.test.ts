/**
 * Bytes and messages that mean no good, from clients and from servers. `FUZZ_ROUNDS` makes it longer, `FUZZ_SEED` another;
 * what fails prints both, and comes again with them.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type LogFields, overheard, silent } from '../../src/log.ts';
import { find, members, splice } from '../../src/mcp/json-text.ts';
import { lines } from '../../src/mcp/lines.ts';
import { metaKey } from '../../src/mcp/modern-revision.ts';
import { bridged } from '../support/bridged.ts';
import { both, initialized, textOf } from '../support/mcp-client.ts';
import { modernClient } from '../support/modern-client.ts';
import { anyValue, broken, mutated } from '../support/mutation.ts';
import { type Seeded, seeded } from '../support/seeded.ts';

const seed = Number(process.env.FUZZ_SEED ?? 2026);
const rounds = Number(process.env.FUZZ_ROUNDS ?? 250);
const babbling = fileURLToPath(new URL('../support/children/babbling.ts', import.meta.url));

/** A log that remembers what only a fault of ours writes. */
function watched() {
  const bugs: LogFields[] = [];
  return { bugs, log: overheard(silent, (_level, event, fields) => event === 'bug' && bugs.push(fields)) };
}

test('lines are the same however their bytes are cut, and those too long are told by their ends', () => {
  const random = seeded(seed);
  for (let round = 0; round < rounds * 4; round++) {
    const bytes = Buffer.from(
      Array.from({ length: random.below(300) }, () => random.pick([0x0a, 0x0d, 0x61, 0xc3, 0xbc, 0xf0, 0x00, 0x7b])),
    );
    const limit = 1 + random.below(80);
    const heard: string[] = [];
    const framer = lines(limit, {
      line: (line) => heard.push(line.toString('latin1')),
      overflow: ({ size }) => heard.push(`${size} bytes`),
    });
    for (let at = 0; at < bytes.length; ) {
      const to = at + 1 + random.below(20);
      framer.push(Buffer.from(bytes.subarray(at, to)));
      at = to;
    }
    framer.end();
    const wanted = bytes
      .toString('latin1')
      .split('\n')
      .flatMap((line) => {
        if (line.length > limit) return [`${line.length} bytes`];
        const text = line.endsWith('\r') ? line.slice(0, -1) : line;
        return text === '' ? [] : [text];
      });
    assert.deepEqual(heard, wanted, `seed ${seed}, round ${round}`);
  }
});

test('where JSON.parse finds a member, there it lies; what is put in its place is found there, and all else stays', () => {
  const random = seeded(seed + 1);
  for (let round = 0; round < rounds * 4; round++) {
    const value = {
      before: anyValue(random),
      inner: { id: anyValue(random), more: anyValue(random) },
      after: anyValue(random),
    };
    const bytes = Buffer.from(JSON.stringify(value, null, random.below(3)));
    assert.deepEqual(
      members(bytes).map(({ key }) => key),
      Object.keys(value),
    );
    const span = find(bytes, ['inner', 'id']) ?? assert.fail();
    assert.deepEqual(
      JSON.parse(bytes.toString('utf8', span.start, span.end)),
      JSON.parse(JSON.stringify(value.inner.id)),
    );
    const changed = JSON.parse(splice(bytes, [{ ...span, text: '"changed"' }]).toString());
    assert.deepEqual(changed, JSON.parse(JSON.stringify({ ...value, inner: { ...value.inner, id: 'changed' } })));
  }
});

/** Messages of either era, that are right but for what is done to them. */
const meta = { [metaKey.protocolVersion]: '2026-07-28', [metaKey.clientCapabilities]: {}, progressToken: 7 };
const messages = (said: string): object[] => [
  {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'echo', arguments: { text: said, said }, _meta: { progressToken: 1 } },
  },
  {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'echo', arguments: { text: said, said }, _meta: meta },
  },
  { jsonrpc: '2.0', id: 'a', method: 'tools/list', params: { cursor: said, _meta: meta } },
  { jsonrpc: '2.0', id: 2, method: 'resources/subscribe', params: { uri: said } },
  { jsonrpc: '2.0', id: 3, method: 'logging/setLevel', params: { level: 'debug' } },
  {
    jsonrpc: '2.0',
    id: 4,
    method: 'tools/call',
    params: { name: 'echo', arguments: { said }, inputResponses: {}, requestState: said, _meta: meta },
  },
  { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1, reason: said } },
  { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1, _meta: meta } },
  { jsonrpc: '2.0', id: 's1', result: { said } },
  { jsonrpc: '2.0', id: 1, error: { code: 1, message: said } },
];
const headers = [
  'mcp-session-id',
  'mcp-protocol-version',
  'mcp-method',
  'mcp-name',
  'mcp-param-x',
  'last-event-id',
  'accept',
  'content-type',
];
const headerValues = [
  '',
  'x',
  '2026-07-28',
  '2025-11-25',
  '1.1',
  'tools/call',
  'echo',
  both,
  'text/event-stream',
  'application/json',
  '=?base64?ZWNobw==?=',
  '=?base64?%?=',
  'ü',
  '*/*;q=0',
];
const allowed = [200, 202, 204, 400, 404, 405, 406, 413, 415, 429, 503];

async function attack(
  url: string,
  random: Seeded,
  session: Record<string, string>,
  said: string,
): Promise<{ status: number; text: string }> {
  const message = random.pick(messages(said));
  const text = Buffer.from(random.below(5) === 0 ? JSON.stringify(message) : mutated(random, message));
  const own: Record<string, string> = { 'content-type': 'application/json', accept: both };
  const { method, params } = message as { method?: string; params?: { name?: string; _meta?: object } };
  if (params?._meta === meta)
    Object.assign(own, {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(params.name && { 'mcp-name': params.name }),
    });
  else Object.assign(own, session);
  if (random.below(4) === 0) own[random.pick(headers)] = random.pick(headerValues);
  const verb = random.pick(['POST', 'POST', 'POST', 'POST', 'POST', 'POST', 'GET', 'DELETE']);
  const body = verb === 'POST' ? (random.below(3) === 0 ? broken(random, text) : text) : undefined;
  const stop = new AbortController();
  const response = await fetch(url, {
    method: verb,
    headers: own,
    signal: stop.signal,
    ...(body && { body: new Uint8Array(body) }),
  });
  const { status } = response;
  if (verb === 'POST') return { status, text: await response.text() };
  // A stream that was opened has nothing to say.
  stop.abort();
  return { status, text: '' };
}

for (const [what, config] of Object.entries({
  'sessions of their own': { isolation: 'session' },
  'a shared server': { isolation: 'shared' },
  'a shared modern server': { isolation: 'shared', args: [babbling, '--modern'] },
})) {
  test(`whatever clients send to ${what}, each gets an answer, and no other client notices`, async () => {
    const { bugs, log } = watched();
    await using at = await bridged({
      config: { ...config, requestTimeout: '5s' },
      limits: { callsPerSession: 1000 },
      log,
    });
    const random = seeded(seed + 2);
    const bystander = await initialized(at.url, { 'x-test-user': 'bystander' });
    const modern = modernClient(at.url, { 'x-test-user': 'bystander' });
    let done = false;
    const minded = async () => {
      for (let i = 0; !done; i++) {
        const said = `owner=bystander; ${i}`;
        assert.equal(await bystander.call('echo', { text: said, said }), said);
        assert.equal(textOf((await modern.call('echo', { text: said, said })).result), said);
      }
    };
    const attacker = async (own: Seeded, user: string) => {
      const { headers: session } = await initialized(at.url, { 'x-test-user': user });
      for (let round = 0; round < rounds / 4; round++) {
        const place = `FUZZ_SEED=${seed} FUZZ_ROUNDS=${rounds}, ${user}, round ${round}`;
        const { status, text } = await attack(at.url, own, session, `owner=${user};`).catch((error: Error) =>
          assert.fail(`${place}: ${error}`),
        );
        assert.ok(allowed.includes(status), `${place}: ${status} ${text.slice(0, 500)}`);
        for (const [, owner] of text.matchAll(/owner=(\w+);/g)) assert.equal(owner, user, place);
      }
    };
    const watching = minded();
    watching.catch(() => {});
    await Promise.all(['a', 'b', 'c', 'd'].map((user) => attacker(seeded(random.below(2 ** 31)), user))).finally(() => {
      done = true;
    });
    await watching;
    assert.deepEqual(bugs, []);
  });
}

for (const [what, config, eras] of [
  ['a server of a session', { isolation: 'session' }, 'legacy'],
  ['a shared server', { isolation: 'shared' }, 'legacy'],
  ['a shared modern server', { isolation: 'shared', args: [babbling, '--modern'] }, 'modern'],
] as const) {
  test(`whatever ${what} says, in both eras each client gets its answers, and nothing that is another's`, async () => {
    const { bugs, log } = watched();
    await using at = await bridged({ config: { args: [babbling], ...config, requestTimeout: '5s' }, log });
    const random = seeded(seed + 3);
    const visitor = async (user: string, own: Seeded) => {
      const said = `owner=${user};`;
      const legacy = await initialized(at.url, { 'x-test-user': user });
      const modern = modernClient(at.url, { 'x-test-user': user });
      for (let round = 0; round < rounds / 25; round++) {
        const params = { name: 'babble', arguments: { said, seed: own.below(1e6), count: 40 } };
        const place = `FUZZ_SEED=${seed} FUZZ_ROUNDS=${rounds}, ${user}, ${JSON.stringify(params)}`;
        const response = await (own.below(2) === 0
          ? legacy.post({ jsonrpc: '2.0', id: round, method: 'tools/call', params })
          : modern.post({
              id: round,
              method: 'tools/call',
              params,
              capabilities: { roots: {}, sampling: {}, elicitation: {} },
            }));
        const text = await response.text();
        assert.equal(response.status, 200, `${place}: ${text.slice(0, 500)}`);
        for (const [, owner] of text.matchAll(/owner=(\w+);/g)) assert.equal(owner, user, place);
        assert.equal(await legacy.call('echo', { said }), said, place);
      }
    };
    await Promise.all(['a', 'b'].map((user) => visitor(user, seeded(random.below(2 ** 31)))));
    assert.ok(eras);
    assert.deepEqual(bugs, []);
  });
}
