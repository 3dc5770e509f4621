import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metaKey } from '../../src/mcp/modern-revision.ts';
import { alive, type BridgedOptions, bridged, eventually } from '../support/bridged.ts';
import { allFrames, both, frames, initialized, nextMessage, type RpcMessage, textOf } from '../support/mcp-client.ts';
import { type ModernClient, modernClient, modernScript, type Sent } from '../support/modern-client.ts';

const modern = (options: BridgedOptions = {}) =>
  bridged({ ...options, config: { args: [modernScript, ...(options.args ?? [])], ...options.config } });
const as = (user: string) => ({ 'x-test-user': user });
const echo: Sent = { method: 'tools/call', params: { name: 'echo', arguments: { text: 'x' } } };
const heard = async (client: ModernClient) => textOf((await client.call('heard')).result);
const wrapped = (text: string) => `=?base64?${Buffer.from(text).toString('base64')}?=`;

test('TR-01, TR-10, TR-46: a request stands by itself; nothing before it, no session, JSON where nothing precedes', async () => {
  await using at = await modern();
  const client = modernClient(at.url);
  const response = await client.post({ id: 'a', ...echo });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.equal(response.headers.get('mcp-session-id'), null);
  const { id, result } = (await response.json()) as RpcMessage;
  assert.deepEqual([id, textOf(result)], ['a', 'x']);
  const discovered = await client.request({ method: 'server/discover' });
  assert.deepEqual(discovered.result?.supportedVersions, ['2026-07-28']);
});

test('TR-24 to TR-28: a header that is missing, malformed or not what the body says is 400 with -32020 and reaches no server', async () => {
  await using at = await modern();
  const client = modernClient(at.url);
  await client.request(echo);
  const before = await heard(client);
  const cases: readonly [string, Record<string, string | undefined>, Sent?][] = [
    ['no version', { 'mcp-protocol-version': undefined }],
    ['another version', { 'mcp-protocol-version': '2025-11-25' }],
    ['no method', { 'mcp-method': undefined }],
    ['another method', { 'mcp-method': 'tools/list' }],
    ['method in another case', { 'mcp-method': 'Tools/Call' }],
    ['no name', { 'mcp-name': undefined }],
    ['another name', { 'mcp-name': 'exit' }],
    ['two names', { 'mcp-name': 'echo, echo' }],
    ['name in another case', { 'mcp-name': 'Echo' }],
    ['broken Base64', { 'mcp-name': '=?base64?%%?=' }],
    ['Base64 without padding', { 'mcp-name': '=?base64?ZWNobw?=' }],
    ['Base64 of another name', { 'mcp-name': wrapped('exit') }],
    ['Base64 that is not UTF-8', { 'mcp-name': '=?base64?/w==?=' }],
    ['raw bytes beyond ASCII', { 'mcp-name': 'ech\u00f6' }],
    ['another URI', { 'mcp-name': 'test://b' }, { method: 'resources/read', params: { uri: 'test://a' } }],
    ['another task', { 'mcp-name': 't2' }, { method: 'tasks/get', params: { taskId: 't1' } }],
    ['another prompt', { 'mcp-name': 'q' }, { method: 'prompts/get', params: { name: 'p' } }],
  ];
  for (const [what, headers, sent = echo] of cases) {
    const { status, error, id } = await client.request({ id: 'x', ...sent, headers });
    assert.deepEqual([status, error?.code, id], [400, -32020, 'x'], what);
  }
  assert.equal((JSON.parse(await heard(client)) as unknown[]).length, (JSON.parse(before) as unknown[]).length + 1);
  for (const headers of [
    { 'mcp-name': wrapped('echo') },
    { 'mcp-name': ' echo ' },
    { 'mcp-name': undefined, 'MCP-NAME': 'echo' },
  ]) {
    assert.equal((await client.request({ ...echo, headers })).status, 200, JSON.stringify(headers));
  }
});

test('TR-25: a version that is not spoken is 400 with -32022 and the ones that are, also after a good request', async () => {
  await using at = await modern();
  const client = modernClient(at.url);
  for (let round = 0; round < 2; round++) {
    const { status, error } = await client.request({
      ...echo,
      meta: { [metaKey.protocolVersion]: '1900-01-01' },
      headers: { 'mcp-protocol-version': '1900-01-01' },
    });
    const { data } = error as unknown as { data: unknown };
    assert.deepEqual([status, error?.code], [400, -32022]);
    assert.deepEqual(data, { supported: ['2026-07-28'], requested: '1900-01-01' });
    await client.request(echo);
  }
});

test('TR-26: _meta without a version or without capabilities is 400 with -32602', async () => {
  await using at = await modern();
  const client = modernClient(at.url);
  for (const key of [metaKey.protocolVersion, metaKey.clientCapabilities]) {
    const { status, error } = await client.request({ ...echo, meta: { [key]: undefined } });
    assert.deepEqual([status, error?.code], [400, -32602], key);
  }
  const { status, error } = await client.request({ ...echo, meta: { [metaKey.clientCapabilities]: [] } });
  assert.deepEqual([status, error?.code], [400, -32602]);
});

test('TR-29: arguments that a tool wants repeated are compared, numbers as numbers; other headers pass', async () => {
  await using at = await modern();
  const client = modernClient(at.url);
  const ask = async (args: object, headers: Record<string, string>) => {
    const { status, error } = await client.call('mirrored', args, { headers });
    return error ? error.code : status;
  };
  assert.equal(await ask({}, {}), 200);
  assert.equal(await ask({ region: 'eu', count: 42, deep: { flag: true } }, {}), -32020);
  const good = {
    'mcp-param-region': 'eu',
    'mcp-param-count': '42.0',
    'mcp-param-flag': 'true',
    'mcp-param-other': 'x',
  };
  assert.equal(await ask({ region: 'eu', count: 42, deep: { flag: true } }, good), 200);
  assert.equal(await ask({ region: 'eü' }, { 'mcp-param-region': wrapped('eü') }), 200);
  assert.equal(await ask({ region: null }, { 'mcp-param-region': 'ignored' }), 200);
  assert.equal(await ask({ region: 'eu' }, { 'mcp-param-region': 'EU' }), -32020);
  assert.equal(await ask({ region: 'eu' }, { 'mcp-param-region': '=?base64?%%?=' }), -32020);
  assert.equal(await ask({ count: 42 }, { 'mcp-param-count': '43' }), -32020);
  assert.equal(await ask({ deep: { flag: false } }, { 'mcp-param-flag': 'true' }), -32020);
});

test('TR-30: a method of a former revision, and one that nobody knows, is 404 with -32601', async () => {
  await using at = await modern();
  const client = modernClient(at.url);
  for (const method of ['foo/bar', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe']) {
    const { status, error } = await client.request({ method });
    assert.deepEqual([status, error?.code], [404, -32601], method);
  }
});

test('TR-07, TR-08, TR-09: notifications are 202 and empty, responses and garbage 400', async () => {
  await using at = await modern();
  const client = modernClient(at.url);
  const accepted = await client.post({ id: null, method: 'notifications/custom' });
  assert.deepEqual([accepted.status, await accepted.text()], [202, '']);
  const headers = { 'content-type': 'application/json', accept: both, 'mcp-protocol-version': '2026-07-28' };
  for (const body of ['{"jsonrpc":"2.0","id":1,"result":{}}', '{', '[]', '{"jsonrpc":"2.0"}']) {
    assert.equal((await fetch(at.url, { method: 'POST', headers, body })).status, 400, body);
  }
});

test("a posted cancellation cancels nobody's call: on a shared child its number could be anybody's", async () => {
  await using at = await modern({ config: { isolation: 'shared' } });
  const client = modernClient(at.url, as('mallory'));
  const response = await client.post({ id: null, method: 'notifications/cancelled', params: { requestId: 1 } });
  assert.equal(response.status, 202);
  assert.doesNotMatch(await heard(client), /notifications\/cancelled/);
});

test('TR-36: GET and DELETE of this revision are 405; a session id or an event id changes nothing', async () => {
  await using at = await modern();
  for (const method of ['GET', 'DELETE']) {
    const headers = { 'mcp-protocol-version': '2026-07-28', accept: 'text/event-stream' };
    assert.equal((await fetch(at.url, { method, headers })).status, 405);
  }
  const response = await modernClient(at.url, { 'mcp-session-id': 'x', 'last-event-id': '1.1' }).post(echo);
  assert.deepEqual([response.status, response.headers.get('mcp-session-id')], [200, null]);
});

test('TR-10, TR-33, TR-37: notifications of a request stream before its result, without event ids', async () => {
  await using at = await modern();
  const client = modernClient(at.url);
  const calls = [2, 3].map(async (count) => {
    const sent = { method: 'tools/call', params: { name: 'progress', arguments: { count } }, id: count };
    const response = await client.post({ ...sent, meta: { progressToken: 'same' } });
    assert.equal(response.headers.get('x-accel-buffering'), 'no');
    const all = await allFrames(response);
    assert.ok(all.every(({ id }) => id === undefined));
    assert.ok(all.slice(0, -1).every(({ message }) => message?.params?.progressToken === 'same'));
    assert.equal(all.at(-1)?.message?.id, count);
    return all.length;
  });
  assert.deepEqual(await Promise.all(calls), [3, 4]);
});

test('TR-37: a quiet call becomes a stream, and a quiet stream carries comments', async () => {
  await using at = await modern({ limits: { keepAlive: 0.1, streamAfter: 0.01 } });
  const gone = new AbortController();
  const response = await modernClient(at.url).post({
    method: 'tools/call',
    params: { name: 'hang', arguments: {} },
    signal: gone.signal,
  });
  assert.match(response.headers.get('content-type') ?? '', /event-stream/);
  for await (const chunk of response.body ?? []) {
    assert.match(Buffer.from(chunk).toString(), /^: .*\n\n/);
    break;
  }
  gone.abort();
});

test('a client that takes JSON alone gets the result without what precedes it, and no subscription', async () => {
  await using at = await modern();
  const client = modernClient(at.url, { accept: 'application/json' });
  const { status, result } = await client.call('progress', { count: 2 }, { meta: { progressToken: 1 } });
  assert.deepEqual([status, textOf(result)], [200, 'done']);
  assert.equal((await client.post({ method: 'subscriptions/listen' })).status, 406);
});

test('TR-14, ST-13: hanging up cancels the call at the server, with the number the server knows', async () => {
  await using at = await modern();
  const client = modernClient(at.url);
  const gone = new AbortController();
  const hanging = client
    .post({ id: 'mine', method: 'tools/call', params: { name: 'hang', arguments: {} }, signal: gone.signal })
    .catch(() => undefined);
  await eventually('the call arrived', async () => /"tools\/call"[^[]*"tools\/call"/.test(await heard(client)));
  gone.abort();
  await hanging;
  await eventually('it was cancelled', async () => {
    const seen = JSON.parse(await heard(client)) as { method: string; requestId?: number; id?: number }[];
    const cancelled = seen.find(({ method }) => method === 'notifications/cancelled');
    return cancelled !== undefined && seen.some(({ id }) => id === cancelled.requestId);
  });
});

test('TR-45: a call without an answer in time is 504 with an error, and cancelled', async () => {
  await using at = await modern({ config: { requestTimeout: '1500ms' } });
  const client = modernClient(at.url);
  const { status, error } = await client.call('hang', {}, { headers: { accept: 'application/json' } });
  assert.deepEqual([status, error?.code], [504, -32603]);
  assert.match(await heard(client), /notifications\/cancelled/);
});

test('TR-34, TR-35: a subscription hears what it asked for, and ends with a result when the gateway stops', async () => {
  await using at = await modern();
  const client = modernClient(at.url);
  const notifications = { toolsListChanged: true };
  const stream = frames(await client.post({ id: 'sub', method: 'subscriptions/listen', params: { notifications } }));
  const subscribed = (message: RpcMessage) =>
    (message.params?._meta as Record<string, unknown> | undefined)?.[metaKey.subscriptionId];
  const acknowledged = await nextMessage(stream);
  assert.deepEqual(
    [acknowledged.method, subscribed(acknowledged)],
    ['notifications/subscriptions/acknowledged', 'sub'],
  );
  await client.call('change', { list: 'prompts' });
  await client.call('change', { list: 'tools' });
  const event = await nextMessage(stream);
  assert.deepEqual([event.method, subscribed(event)], ['notifications/tools/list_changed', 'sub']);
  at.bridge.quiesce();
  const last = await nextMessage(stream);
  assert.deepEqual([last.id, last.result?.resultType], ['sub', 'complete']);
  assert.equal((await stream.next()).done, true);
  assert.equal((await client.request(echo)).status, 200, 'calls go on');
});

test('TR-51, ST-15: calls of a dead server fail with 502 at once, its subscriptions end, and the next call has another', async () => {
  await using at = await modern();
  const client = modernClient(at.url);
  const pid = textOf((await client.call('pid')).result);
  const listening = client.request({ method: 'subscriptions/listen', params: { notifications: {} } });
  const hanging = client.call('hang', {});
  await eventually('both arrived', async () => /hang|listen/.test(await heard(client)));
  const died = await client.call('exit');
  assert.deepEqual([died.status, died.error?.code], [502, -32603]);
  assert.equal((await hanging).error?.code, -32603);
  assert.equal((await listening).result?.resultType, 'complete');
  assert.notEqual(textOf((await client.call('pid')).result), pid);
});

test('TR-51: a command that cannot be started is 502, never a 4xx that would send clients to an older revision', async () => {
  await using missing = await bridged({ config: { command: '/nowhere', args: [] } });
  assert.equal((await modernClient(missing.url).request(echo)).status, 502);
  await using future = await modern({ args: ['--future'] });
  assert.equal((await modernClient(future.url).request(echo)).status, 502);
});

test('TR-39, ST-16: isolation session and caller give each caller one process of his own, shared one to all', async () => {
  for (const [isolation, expected] of [
    ['session', 2],
    ['caller', 2],
    ['shared', 1],
  ] as const) {
    await using at = await modern({ config: { isolation } });
    const pids = await Promise.all(
      ['a', 'b', 'a', 'b'].map(async (user) => textOf((await modernClient(at.url, as(user)).call('pid')).result)),
    );
    assert.equal(new Set(pids).size, expected, isolation);
    assert.equal(pids[0], pids[2]);
  }
});

test('TR-43: a hundred calls with the same ids on one shared child each get their own answer', async () => {
  await using at = await modern({ config: { isolation: 'shared' } });
  await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      const id = i % 2 ? 1 : '1';
      const answer = await modernClient(at.url, as(`user${i % 7}`)).call('echo', { text: `${i}` }, { id });
      assert.deepEqual([answer.id, textOf(answer.result)], [id, `${i}`]);
    }),
  );
});

test('TR-49: numbers and members nobody knows reach the server as they were written', async () => {
  await using at = await modern();
  const response = await fetch(at.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: both,
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'line',
    },
    body: `{"jsonrpc":"2.0","id":9007199254740993123,"method":"tools/call","more":1.0,"params":{"name":"line","big":123456789012345678901,
      "_meta":{"${metaKey.protocolVersion}":"2026-07-28","${metaKey.clientCapabilities}":{"x":{"y":1.50}},"traceparent":"00-1-2-03"}}}`,
  });
  const text = await response.text();
  for (const part of ['\\"more\\":1.0', '123456789012345678901', '1.50', 'traceparent', '"id":9007199254740993123']) {
    assert.ok(text.includes(part), part);
  }
});

test('the tool policy holds for this era too: what is denied is neither listed nor called', async () => {
  await using at = await modern({ config: { tools: { deny: ['exit'] } } });
  const client = modernClient(at.url);
  const { result } = await client.request({ method: 'tools/list' });
  assert.doesNotMatch(JSON.stringify(result), /"exit"/);
  assert.equal((await client.call('exit')).error?.code, -32602);
  assert.equal((await client.request(echo)).status, 200);
});

test('a server nobody needs ends after a while, but not while a call, a subscription or a task is open', async () => {
  await using at = await modern({ config: { idleTimeout: '200ms' } });
  const client = modernClient(at.url);
  const pid = Number(textOf((await client.call('pid')).result));
  const gone = new AbortController();
  const stream = frames(
    await client.post({ method: 'subscriptions/listen', params: { notifications: {} }, signal: gone.signal }),
  );
  await nextMessage(stream);
  await client.call('task');
  gone.abort();
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.equal(alive(pid), true, 'a task is open');
  const done = await client.request({ method: 'tasks/get', params: { taskId: 't1' } });
  assert.equal(done.result?.status, 'completed');
  await eventually('the process is gone', () => !alive(pid));
  await eventually('it is not counted', () => at.bridge.status().children.length === 0);
});

test('TR-50: sessions and requests of both eras share one URL', async () => {
  const fixture = new URL('../support/fixture/fixture.ts', import.meta.url).pathname;
  await using at = await bridged({ config: { args: [fixture, 'stdio', 'dual'] } });
  const session = await initialized(at.url);
  const client = modernClient(at.url);
  for (let i = 0; i < 3; i++) {
    const { result } = await client.call('test_simple_text');
    assert.equal(result?.resultType, 'complete');
    const legacy = await session.request('tools/call', { name: 'test_simple_text', arguments: {} });
    assert.deepEqual([textOf(legacy.result), legacy.result?.resultType], [textOf(result), undefined]);
  }
  assert.equal(at.bridge.status().children.length, 2, 'one process for each era');
});

test('where there may be no more processes, the longest unused one makes room; a busy one does not', async () => {
  await using at = await modern({ config: { maxChildren: 2 } });
  const pid = async (user: string) => Number(textOf((await modernClient(at.url, as(user)).call('pid')).result));
  const gone = new AbortController();
  const busy = frames(
    await modernClient(at.url, as('a')).post({
      method: 'subscriptions/listen',
      params: { notifications: {} },
      signal: gone.signal,
    }),
  );
  await nextMessage(busy);
  const first = await pid('a');
  const second = await pid('b');
  const third = await pid('c');
  assert.deepEqual([alive(first), alive(second), alive(third)], [true, false, true]);
  gone.abort();
});

test('a stop does not wait for a server that never starts to speak, and leaves no process', async () => {
  for (const args of [['--mute'], []]) {
    const command = args.length > 0 ? {} : { args: ['-e', 'process.stdin.resume()'] };
    const at = await bridged({ args, config: command, limits: { childGrace: 0.1 } });
    const call = modernClient(at.url).request(echo);
    await eventually('it is starting', () => at.bridge.status().children.length === 1);
    const pids = at.bridge.status().children.map(({ pid }) => pid);
    await at.bridge[Symbol.asyncDispose]();
    assert.ok([502, 503].includes((await call).status));
    assert.ok(pids.every((pid) => !alive(pid)));
    await at[Symbol.asyncDispose]();
  }
});

test('TR-42, TR-39: on a shared server the state of a request and its tasks are of use to their caller alone', async () => {
  await using at = await modern({ config: { isolation: 'shared' } });
  const [alice, bob] = [modernClient(at.url, as('alice')), modernClient(at.url, as('bob'))];
  const { result } = await alice.call('ask_state');
  const retry = (requestState: unknown, name = 'ask_state'): Sent => ({
    method: 'tools/call',
    params: { name, arguments: {}, requestState },
  });
  const state = String(result?.requestState);
  assert.equal((await bob.request(retry(state))).error?.code, -32602);
  assert.equal((await alice.request(retry(state, 'echo'))).error?.code, -32602);
  assert.equal((await alice.request(retry('plain "state" ü'))).error?.code, -32602, "the bare one is nobody's");
  assert.equal((await alice.request(retry(7))).error?.code, -32602);
  assert.equal(textOf((await alice.request(retry(state))).result), 'plain "state" ü', 'byte for byte');

  const { taskId } = (await alice.call('task')).result as { taskId: string };
  const get: Sent = { method: 'tasks/get', params: { taskId } };
  assert.equal((await bob.request(get)).error?.code, -32602);
  const listen = { method: 'subscriptions/listen', params: { notifications: { taskIds: [taskId] } } };
  assert.equal((await bob.request(listen)).error?.code, -32602);
  assert.equal((await alice.request(get)).result?.status, 'completed');
});

test("TR-42: on a server of the caller's own the state passes as the server wrote it", async () => {
  await using at = await modern();
  const client = modernClient(at.url);
  assert.equal((await client.call('ask_state')).result?.requestState, 'plain "state" ü');
});
