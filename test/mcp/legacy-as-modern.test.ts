import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metaKey } from '../../src/mcp/modern-revision.ts';
import { alive, bridged, eventually } from '../support/bridged.ts';
import { both, frames, initialized, nextMessage, type RpcMessage, textOf } from '../support/mcp-client.ts';
import { type ModernClient, modernClient, type Sent } from '../support/modern-client.ts';

const as = (user: string) => ({ 'x-test-user': user });
const everything = { elicitation: { form: {}, url: {} }, sampling: { tools: {} }, roots: {} };
const ask = (args: object, more: Partial<Sent> = {}): Sent => ({
  method: 'tools/call',
  params: { name: 'ask', arguments: args },
  capabilities: everything,
  ...more,
});
const roots = { method: 'roots/list' };
const seen = async (client: ModernClient, more: Partial<Sent> = {}) =>
  textOf((await client.call('seen', {}, more)).result);
const raw = (client: ModernClient, line: string, more: Partial<Sent> = {}) => client.call('raw', { line }, more);

interface Round {
  readonly keys: readonly string[];
  readonly questions: Record<string, { readonly method: string; readonly params?: unknown }>;
  readonly state: string;
}
function roundOf({ result }: RpcMessage): Round {
  assert.equal(result?.resultType, 'input_required', JSON.stringify(result));
  const questions = result.inputRequests as Round['questions'];
  return { keys: Object.keys(questions), questions, state: String(result.requestState) };
}
const answered = (sent: Sent, { keys, state }: Round, answer: unknown = { roots: [] }): Sent => ({
  ...sent,
  params: {
    ...sent.params,
    requestState: state,
    inputResponses: Object.fromEntries(keys.map((key) => [key, answer])),
  },
});

test('TR-46: discovery is what the server said when it was initialized, without what this era has not', async () => {
  await using at = await bridged();
  const { result, status } = await modernClient(at.url).request({ method: 'server/discover' });
  assert.equal(status, 200);
  assert.deepEqual(result, {
    resultType: 'complete',
    supportedVersions: ['2026-07-28'],
    capabilities: { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} },
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { [metaKey.serverInfo]: { name: 'test', version: '1' } },
  });
});

test('TR-38: results get resultType, the name of the server and, where they are lists, caching hints', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const list = await client.request({ method: 'tools/list' });
  assert.deepEqual([list.result?.resultType, list.result?.ttlMs, list.result?.cacheScope], ['complete', 0, 'private']);
  const echo = await client.call('echo', { text: 'x' });
  assert.deepEqual([echo.result?.resultType, echo.result?.ttlMs], ['complete', undefined]);
  assert.deepEqual(echo.result?._meta, { [metaKey.serverInfo]: { name: 'test', version: '1' } });
  const own = await raw(client, '{"jsonrpc":"2.0","id":$id,"result":{"_meta":{"a":1},"resultType":"input_required"}}');
  assert.deepEqual(own.result, {
    _meta: { [metaKey.serverInfo]: { name: 'test', version: '1' }, a: 1 },
    resultType: 'complete',
  });
  const empty = await raw(client, '{"jsonrpc":"2.0","id":$id,"result":{}}');
  assert.equal(empty.result?.resultType, 'complete');
  const scalar = await raw(client, '{"jsonrpc":"2.0","id":$id,"result":7}');
  assert.equal(scalar.error?.code, -32603);
});

test('TR-49: what the client wrote reaches the server as it was written, but for what only this era has', async () => {
  await using at = await bridged();
  const response = await fetch(at.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: both,
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'line',
    },
    body: `{"jsonrpc":"2.0","id":"1.0","method":"tools/call","params":{"name":"line","arguments":{"n":9007199254740993123,"f":1.0},"task":{},
      "inputResponses":{},"_meta":{"${metaKey.protocolVersion}":"2026-07-28","traceparent":"00","${metaKey.clientCapabilities}":{}}}}`,
  });
  const { id, result } = (await response.json()) as RpcMessage;
  const line = textOf(result);
  assert.equal(id, '1.0');
  assert.match(
    line,
    /"params":\{"name":"line","arguments":\{"n":9007199254740993123,"f":1\.0\},"_meta":\{"traceparent":"00"\}\}/,
  );
});

test('TR-41: codes of former revisions become those of this one; unknown methods are 404', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  for (const [code, expected, status] of [
    [-32002, -32602, 200],
    [-32020, -32603, 200],
    [-32099, -32603, 200],
    [-32000, -32000, 200],
    [-32600, -32600, 200],
    [-32601, -32601, 404],
    [17, 17, 200],
  ] as const) {
    const line = `{"jsonrpc":"2.0","id":$id,"error":{"code":${code},"message":"m","data":{"uri":"u"}}}`;
    const answer = await raw(client, line);
    assert.deepEqual([answer.error?.code, answer.status], [expected, status], String(code));
    assert.deepEqual((answer.error as unknown as { data: unknown }).data, { uri: 'u' });
  }
  for (const method of ['tasks/get', 'tasks/list', 'ping', 'logging/setLevel']) {
    assert.equal((await client.request({ method })).status, 404, method);
  }
});

test('-32042 of 2025-11-25, a URL is required, becomes a round of its own, and an error where the client opens none', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const url = { mode: 'url', elicitationId: 'e', url: 'https://example.com', message: 'Log in' };
  const line = `{"jsonrpc":"2.0","id":$id,"error":{"code":-32042,"message":"m","data":{"elicitations":[${JSON.stringify(url)}]}}}`;
  const answer = await raw(client, line, { capabilities: everything });
  const { questions } = roundOf(answer);
  assert.deepEqual(Object.values(questions), [{ method: 'elicitation/create', params: url }]);
  assert.equal(answer.result?.requestState, undefined, 'a retry begins anew');
  const unable = await raw(client, line);
  assert.deepEqual([unable.error?.code, unable.status], [-32021, 400]);
});

test('TR-33: log lines come to the request that asked for them, and none below its level', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const log = async (level: string, wanted?: string) => {
    const meta = wanted === undefined ? {} : { [metaKey.logLevel]: wanted };
    const response = await client.post({
      method: 'tools/call',
      params: { name: 'log', arguments: { text: 't', level } },
      meta,
    });
    return response.headers.get('content-type') !== 'application/json' && (await nextMessage(frames(response))).method;
  };
  assert.equal(await log('error'), false, 'nobody asked');
  assert.equal(await log('error', 'warning'), 'notifications/message');
  assert.equal(textOf((await client.call('level')).result), 'warning');
  assert.equal(await log('info', 'warning'), false);
  assert.equal(await log('debug', 'debug'), 'notifications/message');
});

test('TR-44: progress finds its call, with the token the client chose', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const response = await client.post({
    method: 'tools/call',
    params: { name: 'progress', arguments: { count: 2 } },
    meta: { progressToken: 'mine' },
  });
  const stream = frames(response);
  assert.equal((await nextMessage(stream)).params?.progressToken, 'mine');
});

test('TR-34: a subscription is acknowledged with what the server has, and hears nothing else; resources are counted', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const listen = async (id: string, notifications: object) => {
    const gone = new AbortController();
    const response = await client.post({
      id,
      method: 'subscriptions/listen',
      params: { notifications },
      signal: gone.signal,
    });
    const stream = frames(response);
    return { stream, gone, acknowledged: await nextMessage(stream) };
  };
  const one = await listen('one', {
    toolsListChanged: true,
    promptsListChanged: true,
    resourceSubscriptions: ['a://1'],
  });
  assert.deepEqual(one.acknowledged.params, {
    notifications: { toolsListChanged: true, resourceSubscriptions: ['a://1'] },
    _meta: { [metaKey.subscriptionId]: 'one' },
  });
  const two = await listen('two', { resourceSubscriptions: ['a://1'] });
  await client.call('notify', { method: 'notifications/prompts/list_changed' });
  await client.call('notify', { method: 'notifications/tools/list_changed' });
  await client.call('notify', { method: 'notifications/resources/updated', params: { uri: 'a://1' } });
  await client.call('notify', { method: 'notifications/resources/updated', params: { uri: 'b://1' } });
  assert.equal((await nextMessage(one.stream)).method, 'notifications/tools/list_changed');
  for (const [id, { stream }] of Object.entries({ one, two })) {
    const updated = await nextMessage(stream);
    assert.deepEqual(updated.params, { uri: 'a://1', _meta: { [metaKey.subscriptionId]: id } });
  }
  one.gone.abort();
  await eventually('the first has left', async () => !(await seen(client)).includes('unsubscribe'));
  two.gone.abort();
  await eventually('nobody wants it', async () => (await seen(client)).includes('resources/unsubscribe'));
  const bad = await client.request({ method: 'subscriptions/listen', params: { notifications: 'all' } });
  assert.equal(bad.error?.code, -32602);
});

test('TR-35: when the server dies its subscriptions end with a result and its calls with 502', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const stream = frames(await client.post({ id: 1, method: 'subscriptions/listen', params: { notifications: {} } }));
  await nextMessage(stream);
  assert.equal((await client.call('crash')).status, 502);
  assert.equal((await nextMessage(stream)).result?.resultType, 'complete');
  assert.equal((await client.call('echo', { text: 'again' })).status, 200);
});

test('TR-14: hanging up cancels the call at the server, and its process is not kept for it', async () => {
  await using at = await bridged({ config: { idleTimeout: '200ms' } });
  const client = modernClient(at.url);
  const pid = Number(textOf((await client.call('pid')).result));
  const gone = new AbortController();
  const never = client
    .post({ method: 'tools/call', params: { name: 'never', arguments: {} }, signal: gone.signal })
    .catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 50));
  gone.abort();
  await never;
  await eventually('it was told', async () => (await seen(client)).includes('notifications/cancelled'));
  await eventually('the process is gone', () => !alive(pid));
});

test('TR-32, TR-42: what the server asks is a round of the call; the retry resumes it, byte for byte', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  for (const [question, answer] of [
    [roots, { roots: [{ uri: 'file:///x' }] }],
    [
      { method: 'sampling/createMessage', params: { messages: [], maxTokens: 5 } },
      { role: 'assistant', content: {} },
    ],
    [
      { method: 'elicitation/create', params: { message: 'Name?', requestedSchema: {} } },
      { action: 'accept', content: { n: 1 } },
    ],
  ] as const) {
    const sent = ask(question);
    const first = await client.request(sent);
    const round = roundOf(first);
    const [asked] = Object.values(round.questions);
    assert.equal(asked?.method, question.method);
    if ('params' in question) assert.deepEqual(asked?.params, question.params);
    const last = await client.request(answered(sent, round, answer));
    assert.deepEqual([last.result?.resultType, JSON.parse(textOf(last.result))], ['complete', answer]);
    assert.notEqual(last.id, first.id);
  }
});

test('TR-42: a state that is forged, replayed, of another caller or of another request is refused, and ends nothing', async () => {
  await using at = await bridged({ config: { isolation: 'shared' } });
  const client = modernClient(at.url, as('alice'));
  const sent = ask(roots);
  const round = roundOf(await client.request(sent));
  const refused = async (who: ModernClient, retry: Sent, what: string) => {
    const { error, status } = await who.request(retry);
    assert.deepEqual([error?.code, status], [-32602, 200], what);
  };
  const { state } = round;
  const [payload = '', signature = ''] = state.split('.');
  const other = Buffer.from(payload, 'base64url')
    .toString()
    .replace(/"until":\d+/, '"until":9999999999');
  const flipped = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
  for (const forged of [
    '',
    'x',
    '.',
    'a.b.c',
    payload,
    `${payload}.`,
    `${payload}.${flipped}`,
    `${state}.`,
    `${state}A`,
    `${Buffer.from(other).toString('base64url')}.${signature}`,
    `${payload}=.${signature}`,
  ]) {
    await refused(client, answered(sent, { ...round, state: forged }), `forged: ${forged}`);
  }
  for (const wrong of [7, null, {}, ['x'], true]) {
    await refused(
      client,
      { ...sent, params: { ...sent.params, requestState: wrong } },
      `type of ${JSON.stringify(wrong)}`,
    );
  }
  await refused(modernClient(at.url, as('mallory')), answered(sent, round), 'another caller');
  await refused(client, answered(ask({ method: 'sampling/createMessage' }), round), 'other arguments');
  await refused(client, answered({ ...sent, params: { ...sent.params, name: 'echo' } }, round), 'another tool');
  await refused(client, answered({ ...sent, method: 'prompts/get' }, round), 'another method');
  const last = await client.request(answered(sent, round));
  assert.equal(last.result?.resultType, 'complete', 'the true one still works');
  await refused(client, answered(sent, round), 'replayed');
});

test('the order of arguments and what _meta says do not make it another request', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const round = roundOf(await client.request(ask({ method: 'roots/list', params: { a: 1, b: 2 } })));
  const retry = ask({ params: { b: 2, a: 1 }, method: 'roots/list' }, { meta: { progressToken: 9 } });
  assert.equal((await client.request(answered(retry, round))).result?.resultType, 'complete');
});

test('an answer that is missing or malformed is asked for again; more than was asked is ignored', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const sent = ask(roots);
  let round = roundOf(await client.request(sent));
  for (const inputResponses of [undefined, {}, { other: {} }, 'x', { [round.keys[0] ?? '']: 'text' }]) {
    const again = { ...sent, params: { ...sent.params, requestState: round.state, inputResponses } };
    const next = roundOf(await client.request(again));
    assert.deepEqual(next.keys, round.keys);
    assert.notEqual(next.state, round.state);
    round = next;
  }
  const retry = answered(sent, { ...round, keys: [...round.keys, 'unknown'] });
  assert.equal((await client.request(retry)).result?.resultType, 'complete');
});

test('TR-31: where the client cannot be asked the server hears an error, and the call fails with -32021 if it cannot do without', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const { result } = await client.request(ask(roots, { capabilities: {} }));
  assert.match(textOf(result), /-32601/, 'it did without');
  const url = { method: 'elicitation/create', params: { mode: 'url' } };
  assert.match(textOf((await client.request(ask(url, { capabilities: { elicitation: {} } }))).result), /-32601/);
  const question = '{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{}}';
  const { error, status } = await raw(
    client,
    `${question}\n{"jsonrpc":"2.0","id":$id,"error":{"code":-32603,"message":"m"}}`,
  );
  assert.deepEqual([error?.code, status], [-32021, 400]);
  assert.deepEqual((error as unknown as { data: unknown }).data, { requiredCapabilities: { sampling: {} } });
});

test('questions asked together travel together, and those that come later travel with the next round', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const question = (id: string) => `{"jsonrpc":"2.0","id":"${id}","method":"roots/list"}`;
  const sent: Sent = {
    method: 'tools/call',
    params: { name: 'raw', arguments: { line: `${question('a')}\n${question('b')}` } },
    capabilities: everything,
  };
  const round = roundOf(await client.request(sent));
  assert.equal(round.keys.length, 2);
  const half = answered(sent, { ...round, keys: round.keys.slice(0, 1) });
  assert.deepEqual(roundOf(await client.request(half)).keys, round.keys.slice(1));
});

test('ST-10: a question that no call could carry is refused at once; a ping is answered', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const more = { capabilities: everything };
  for (const method of ['roots/list', 'ping']) await client.call('ask-later', { method, ms: 1 }, more);
  await eventually('both came back', async () => /-32603.*\{\}|\{\}.*-32603/.test(await seen(client, more)));
});

test('a client that does not come back: the server is told after a while, and the state is of no use any more', async () => {
  await using at = await bridged({ config: { requestTimeout: '1500ms', idleTimeout: '400ms' } });
  const client = modernClient(at.url);
  const sent = ask(roots);
  const round = roundOf(await client.request(sent));
  const more = { capabilities: everything };
  const pid = Number(textOf((await client.call('pid', {}, more)).result));
  await eventually('the call was given up', async () => (await seen(client, more)).includes('notifications/cancelled'));
  assert.equal((await client.request(answered(sent, round))).error?.code, -32602);
  await eventually('the process is gone', () => !alive(pid));
});

test('of one caller only so many calls may wait; the next question is refused to the server instead', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const waiting = await Promise.all(Array.from({ length: 20 }, () => client.request(ask(roots))));
  for (const answer of waiting) roundOf(answer);
  assert.match(textOf((await client.request(ask(roots))).result), /-32603/);
  assert.equal(roundOf(await modernClient(at.url, as('bob')).request(ask(roots))).keys.length, 1, 'others may');
});

test('a server that dies while a call waits: the retry gets an error, not a hang', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const sent = ask(roots);
  const round = roundOf(await client.request(sent));
  await client.call('crash', {}, { capabilities: everything });
  assert.equal((await client.request(answered(sent, round))).error?.code, -32602);
});

test('a client that vanishes while a question is on its way: the server hears an error and a cancellation', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const more = { capabilities: everything };
  const gone = new AbortController();
  const sent = ask(roots, { signal: gone.signal });
  const round = client.request(sent).catch(() => undefined);
  gone.abort();
  await round;
  const answer = await client.request(ask(roots, more));
  assert.equal((await client.request(answered(ask(roots), roundOf(answer)))).result?.resultType, 'complete');
});

test('an answer that comes while the client is away waits for it', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const line = '{"jsonrpc":"2.0","id":"q","method":"roots/list"}';
  const sent: Sent = {
    method: 'tools/call',
    params: { name: 'raw', arguments: { line } },
    capabilities: everything,
  };
  const round = roundOf(await client.request(sent));
  // The first call of this process has the number 1, unless the tools had to be listed before it.
  for (const id of [1, 2]) {
    void raw(client, `{"jsonrpc":"2.0","id":${id},"result":{"content":[{"type":"text","text":"early"}]}}`, {
      capabilities: everything,
      signal: AbortSignal.timeout(100),
    }).catch(() => undefined);
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(textOf((await client.request(answered(sent, round))).result), 'early');
});

test('a server of the sessions era has one process for each caller and each set of what clients can be asked', async () => {
  await using at = await bridged();
  const pid = async (user: string, capabilities: object) =>
    textOf((await modernClient(at.url, as(user)).call('pid', {}, { capabilities })).result);
  const first = await pid('a', {});
  assert.equal(await pid('a', { extensions: { x: {} } }), first, 'what it cannot use splits nothing');
  const eliciting = await pid('a', { elicitation: {} });
  assert.notEqual(eliciting, first);
  assert.equal(await pid('a', { elicitation: { form: {} } }), eliciting);
  assert.notEqual(await pid('b', {}), first);
  assert.equal(at.bridge.status().children.length, 3);
});

test('isolation shared: what the server asks is put to nobody where it could be another caller who is meant', async () => {
  await using at = await bridged({ config: { isolation: 'shared' } });
  const alice = modernClient(at.url, as('alice'));
  const bob = modernClient(at.url, as('bob'));
  const gone = new AbortController();
  const never = alice
    .post({ method: 'tools/call', params: { name: 'never' }, capabilities: everything, signal: gone.signal })
    .catch(() => undefined);
  await eventually('both are at one process', async () => at.bridge.status().children.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.match(textOf((await bob.request(ask(roots))).result), /-32603/);
  gone.abort();
  await never;
});

test('ST-18: both eras reach one server of the sessions era; it is probed once', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const session = await initialized(at.url);
  assert.equal(textOf((await client.call('echo', { text: 'modern' })).result), 'modern');
  assert.equal(await session.call('echo', { text: 'legacy' }), 'legacy');
  const other = await seen(client, { capabilities: everything });
  assert.doesNotMatch(other, /server\/discover/, 'the second process is not asked again');
});

test('ST-17: a server that ends when it is asked for what it does not know is started again and initialized', async () => {
  const script = `
    const say = (m) => console.log(JSON.stringify({ jsonrpc: '2.0', ...m }));
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { id, method } = JSON.parse(line);
      if (method === 'server/discover') process.exit(1);
      if (method === 'initialize') say({ id, result: { protocolVersion: '2024-11-05', capabilities: {}, serverInfo: { name: 'old' } } });
      if (method === 'prompts/list') say({ id, result: { prompts: [] } });
    });`;
  await using at = await bridged({ config: { args: ['-e', script] } });
  const { result } = await modernClient(at.url).request({ method: 'prompts/list' });
  assert.deepEqual(result?.prompts, []);
});

test('TR-51: a server that refuses to be initialized is 502, one that says nothing 504', async () => {
  await using refusing = await bridged({ args: ['--refuse'] });
  assert.equal((await modernClient(refusing.url).call('echo')).status, 502);
  await using mute = await bridged({ args: ['--mute'], config: { requestTimeout: '200ms' } });
  assert.equal((await modernClient(mute.url).call('echo')).status, 504);
});

test('what nests deeper than any stack passes, or is refused, and ends nothing', async () => {
  await using at = await bridged();
  const client = modernClient(at.url);
  const deep = '['.repeat(50_000) + ']'.repeat(50_000);
  const post = async (name: string, args: string, params = '') => {
    const meta = { [metaKey.protocolVersion]: '2026-07-28', [metaKey.clientCapabilities]: everything };
    const response = await fetch(at.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: both,
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': name,
      },
      body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${name}","arguments":${args}${params},"_meta":${JSON.stringify(meta)}}}`,
    });
    return response.text();
  };
  const line = (text: string) => JSON.stringify({ line: text });
  assert.ok((await post('raw', line(`{"jsonrpc":"2.0","id":$id,"result":{"x":${deep}}}`))).includes(deep));
  const url = `{"mode":"url","x":${deep}}`;
  const required = `{"jsonrpc":"2.0","id":$id,"error":{"code":-32042,"message":"m","data":{"elicitations":[${url}]}}}`;
  assert.ok((await post('raw', line(required))).includes(url));

  const stream = frames(
    await client.post({
      method: 'subscriptions/listen',
      params: { notifications: { toolsListChanged: true } },
      capabilities: everything,
    }),
  );
  await nextMessage(stream);
  await post(
    'raw',
    line(
      `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"x":${deep}}}\n{"jsonrpc":"2.0","id":$id,"result":{}}`,
    ),
  );
  assert.equal((await nextMessage(stream)).method, 'notifications/tools/list_changed');

  const args = `{"method":"roots/list","x":${deep}}`;
  const { state, keys } = roundOf(JSON.parse(await post('ask', args)) as RpcMessage);
  const answers = `,"requestState":"${state}","inputResponses":{"${keys[0]}":{"roots":[]}}`;
  assert.match(await post('ask', args, answers), /"resultType":"complete"/);
});

test('TR-43: the answer goes to the server under the id it wrote, with the bytes the client wrote', async () => {
  const script = `
    const say = (text) => console.log(text);
    let call;
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { id, method } = JSON.parse(line);
      const result = { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: { name: 'n' } };
      if (method === 'initialize') say(JSON.stringify({ jsonrpc: '2.0', id, result }));
      if (method === 'server/discover') say(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: 'm' } }));
      if (method === 'tools/call') {
        call = id;
        say('{"jsonrpc":"2.0","id":9007199254740993123,"method":"roots/list"}');
      }
      if (!method) say(JSON.stringify({ jsonrpc: '2.0', id: call, result: { content: [{ type: 'text', text: line }] } }));
    });`;
  await using at = await bridged({ config: { args: ['-e', script] } });
  const client = modernClient(at.url);
  const sent: Sent = { method: 'tools/call', params: { name: 't' }, capabilities: everything };
  const round = roundOf(await client.request(sent));
  const { result } = await client.request(answered(sent, round, { roots: [], n: 1.5 }));
  assert.equal(textOf(result), '{"jsonrpc":"2.0","id":9007199254740993123,"result":{"roots":[],"n":1.5}}');
});
