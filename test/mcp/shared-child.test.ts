import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alive, bridged, eventually } from '../support/bridged.ts';
import {
  allFrames,
  frames,
  initialized,
  initializeParams,
  type McpClient,
  mcpClient,
  nextMessage,
} from '../support/mcp-client.ts';

const as = (user: string) => ({ 'x-test-user': user });
const shared = { config: { isolation: 'shared' } };
const caller = { config: { isolation: 'caller' } };
const call = (id: string | number, name: string, args: object = {}, progressToken?: unknown) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args, ...(progressToken !== undefined && { _meta: { progressToken } }) },
});
const pidOf = (client: McpClient) => client.call('pid');

test('isolation: session has a process each, caller one per user, shared one for all', async () => {
  for (const [isolation, expected] of [
    ['session', 4],
    ['caller', 2],
    ['shared', 1],
  ] as const) {
    await using at = await bridged({ config: { isolation } });
    const clients = await Promise.all(['a', 'a', 'b', 'b'].map((user) => initialized(at.url, as(user))));
    const pids = await Promise.all(clients.map(pidOf));
    assert.equal(new Set(pids).size, expected, isolation);
    assert.equal(pids[0] === pids[1], isolation !== 'session');
    assert.equal(at.bridge.status().children.length, expected);
    assert.equal(at.bridge.status().sessions, 4);
  }
});

test('callers nobody knows do not share a child of isolation caller', async () => {
  await using at = await bridged(caller);
  assert.notEqual(await pidOf(await initialized(at.url)), await pidOf(await initialized(at.url)));
});

test('TR-43: a hundred calls with the same ids on one child each get their own answer', async () => {
  await using at = await bridged(shared);
  const clients = await Promise.all(Array.from({ length: 10 }, (_, i) => initialized(at.url, as(`user${i}`))));
  const ids = [1, '1', 'x', 9007199254740993n, -5];
  await Promise.all(
    clients.flatMap((client, i) =>
      ids.map(async (id, j) => {
        const text = `${i}/${j}`;
        const raw = typeof id === 'bigint' ? String(id) : JSON.stringify(id);
        const response = await client.post(
          `{"jsonrpc":"2.0","id":${raw},"method":"tools/call","params":{"name":"echo","arguments":{"text":"${text}"}}}`,
        );
        const answer = await response.text();
        assert.match(answer, new RegExp(`"id":${raw.replace('-', '\\-')}[,}]`), 'the id as it was written');
        assert.match(answer, new RegExp(`"${text}"`));
      }),
    ),
  );
});

test('TR-44: equal progress tokens stay apart', async () => {
  await using at = await bridged(shared);
  const [a, b] = [await initialized(at.url, as('a')), await initialized(at.url, as('b'))];
  const [one, two] = await Promise.all([
    a.post(call(1, 'progress', { count: 3, ms: 5 }, 't')),
    b.post(call(1, 'progress', { count: 5, ms: 5 }, 't')),
  ]);
  for (const [response, total] of [
    [one, 3],
    [two, 5],
  ] as const) {
    const messages = (await allFrames(response)).flatMap(({ message }) => message ?? []);
    const progress = messages.filter(({ method }) => method === 'notifications/progress');
    assert.equal(progress.length, total);
    assert.ok(progress.every(({ params }) => params?.progressToken === 't' && params.total === total));
  }
});

test('a cancellation reaches the call of the one who sent it, and no other', async () => {
  await using at = await bridged(shared);
  const [a, b] = [await initialized(at.url, as('a')), await initialized(at.url, as('b'))];
  const waiting = a.post(call(1, 'never'));
  const slow = b.post(call(1, 'sleep', { ms: 300 }));
  await a.call('echo');
  await a.notify('notifications/cancelled', { requestId: 1 });
  assert.match(await (await waiting).text(), /cancelled/);
  assert.match(await (await slow).text(), /slept 300/);
  const seen = JSON.parse(await a.call('seen')) as { method: string; params?: { requestId?: unknown } }[];
  const cancelled = seen.filter(({ method }) => method === 'notifications/cancelled');
  assert.equal(cancelled.length, 1);
  assert.equal(typeof cancelled[0]?.params?.requestId, 'number');
});

test('among strangers, requests and logs of the server are shown to nobody', async () => {
  await using at = await bridged(shared);
  const [a, b] = [await initialized(at.url, as('a')), await initialized(at.url, as('b'))];
  const listening = frames(await b.get());
  assert.match(await a.call('ask', { method: 'roots/list' }), /no client can be asked/);
  await a.call('log', { text: 'secret of a' });
  await a.call('notify', { method: 'notifications/custom', params: { secret: 'a' } });
  await a.call('notify', { method: 'notifications/tools/list_changed' });
  assert.equal((await nextMessage(listening)).method, 'notifications/tools/list_changed', 'the first thing b hears');
});

test('where all who sit there are one user, the server can ask and log', async () => {
  await using at = await bridged(shared);
  const a = await initialized(at.url, as('a'));
  await initialized(at.url, as('a'));
  const stream = frames(await a.post(call(1, 'ask', { method: 'roots/list' })));
  const question = await nextMessage(stream);
  assert.equal(question.method, 'roots/list');
  await a.post({ jsonrpc: '2.0', id: question.id, result: { roots: [] } });
  assert.match(JSON.stringify(await nextMessage(stream)), /roots/);
});

test('an answer to a question that somebody else was asked goes nowhere', async () => {
  await using at = await bridged(caller);
  const [a, b] = [await initialized(at.url, as('a')), await initialized(at.url, as('a'))];
  const stream = frames(await a.post(call(1, 'ask', { method: 'roots/list' })));
  const question = await nextMessage(stream);
  await b.post({ jsonrpc: '2.0', id: question.id, result: { forged: true } });
  await a.post({ jsonrpc: '2.0', id: question.id, result: { genuine: true } });
  assert.match(JSON.stringify(await nextMessage(stream)), /genuine/);
});

test('a client is asked only for what it declared', async () => {
  await using at = await bridged(caller);
  const client = mcpClient(at.url, as('a'));
  const response = await client.post({
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { ...initializeParams(), capabilities: { elicitation: {} } },
  });
  client.headers['mcp-session-id'] = response.headers.get('mcp-session-id') ?? '';
  for (const [method, params] of [
    ['roots/list', {}],
    ['sampling/createMessage', {}],
    ['elicitation/create', { mode: 'url' }],
    ['nonsense', {}],
  ] as const) {
    assert.match(await client.call('ask', { method, params }), /no client can be asked/, method);
  }
});

test('initialize is answered from the one handshake, in the revision that the client speaks', async () => {
  await using at = await bridged(shared);
  for (const [asked, given] of [
    ['2025-11-25', '2025-11-25'],
    ['2025-03-26', '2025-03-26'],
    ['2031-01-01', '2025-11-25'],
  ] as const) {
    const response = await mcpClient(at.url, as('a')).post({
      jsonrpc: '2.0',
      id: 'i',
      method: 'initialize',
      params: initializeParams(asked),
    });
    const { id, result } = (await response.json()) as {
      id: string;
      result: { protocolVersion: string; capabilities: object; serverInfo: object };
    };
    assert.deepEqual([id, result.protocolVersion, result.serverInfo], ['i', given, { name: 'test', version: '1' }]);
    assert.ok(!('tasks' in result.capabilities), 'tasks cannot be bound to a caller');
  }
  const client = await initialized(at.url, as('a'));
  const seen = JSON.parse(await client.call('seen')).map(({ method }: { method: string }) => method);
  assert.deepEqual(seen, ['initialize', 'notifications/initialized'], 'the server was initialized once');
  assert.match((await client.request('tasks/list')).error?.message ?? '', /no tasks/);
});

test('resource subscriptions are counted: updates reach those who want them, the last one to go unsubscribes', async () => {
  await using at = await bridged(shared);
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((user) => initialized(at.url, as(user))));
  assert.ok(a && b && c);
  const uri = 'file:///x';
  for (const client of [a, b]) assert.deepEqual((await client.request('resources/subscribe', { uri })).result, {});
  const [toA, toB] = await Promise.all([a, b].map(async (client) => frames(await client.get())));
  assert.ok(toA && toB);
  await c.call('notify', { method: 'notifications/resources/updated', params: { uri: `${uri}/part` } });
  assert.equal((await nextMessage(toA)).params?.uri, `${uri}/part`);
  assert.equal((await nextMessage(toB)).params?.uri, `${uri}/part`);
  await a.request('resources/unsubscribe', { uri });
  await c.call('notify', { method: 'notifications/resources/updated', params: { uri } });
  assert.equal((await nextMessage(toB)).params?.uri, uri);
  const unsubscribed = async () =>
    JSON.parse(await c.call('seen')).filter(({ method }: { method: string }) => method === 'resources/unsubscribe')
      .length;
  assert.equal(await unsubscribed(), 0);
  await b.end();
  await eventually('the server may stop', async () => (await unsubscribed()) === 1);
  await c.call('notify', { method: 'notifications/tools/list_changed' });
  // TR-16: c hears it on its own call; a, whose subscription has ended, still hears of the tools.
  assert.equal((await nextMessage(toA)).method, 'notifications/tools/list_changed');
});

test('the log level of the child is the lowest that anybody wants; each session hears its own', async () => {
  await using at = await bridged(caller);
  const [a, b] = [await initialized(at.url, as('a')), await initialized(at.url, as('a'))];
  await a.request('logging/setLevel', { level: 'error' });
  assert.equal(await a.call('level'), 'error');
  await b.request('logging/setLevel', { level: 'debug' });
  assert.equal(await a.call('level'), 'debug');
  await a.request('logging/setLevel', { level: 'warning' });
  assert.equal(await a.call('level'), 'debug');
  const quiet = await a.post(call(1, 'log', { level: 'info', text: 'not for a' }));
  assert.equal(quiet.headers.get('content-type'), 'application/json', 'nothing came before the answer');
  await quiet.json();
});

test('a dead shared child fails everybody at once; the next to come gets a new one', async () => {
  await using at = await bridged(shared);
  const [a, b] = [await initialized(at.url, as('a')), await initialized(at.url, as('b'))];
  const pid = await pidOf(a);
  const waiting = b.post(call(1, 'never'));
  await b.call('echo');
  assert.equal((await a.post(call(1, 'crash'))).status, 502);
  assert.equal((await waiting).status, 502);
  for (const client of [a, b]) assert.equal((await client.post(call(2, 'echo'))).status, 404);
  assert.notEqual(await pidOf(await initialized(at.url, as('b'))), pid);
});

test('a shared child outlives its sessions by the idle time', async () => {
  await using at = await bridged({ config: { isolation: 'shared', idleTimeout: '300ms' } });
  const first = await initialized(at.url, as('a'));
  const pid = Number(await pidOf(first));
  await first.end();
  const second = await initialized(at.url, as('b'));
  assert.equal(Number(await pidOf(second)), pid);
  await second.end();
  await eventually('it is gone', () => !alive(pid));
});

test('the calls of a session that ends are cancelled, and their late answers reach nobody', async () => {
  await using at = await bridged(shared);
  const [a, b] = [await initialized(at.url, as('a')), await initialized(at.url, as('b'))];
  const slow = a.post(call(1, 'sleep', { ms: 200 }));
  await a.call('echo');
  await a.end();
  assert.equal((await slow).status, 404);
  assert.equal(await b.call('sleep', { ms: 300 }), 'slept 300');
  assert.match(await b.call('seen'), /notifications\/cancelled/);
});

test('{"$caller"} gives each caller a child of its own, and no name can be taken for an option', async () => {
  await using at = await bridged({
    args: [{ $caller: 'name' }],
    config: { isolation: 'caller', env: { WHO: { $caller: 'subject' } } },
  });
  const a = await initialized(at.url, as('alice'));
  assert.deepEqual(JSON.parse(await a.call('argv')), ['alice']);
  assert.equal(JSON.parse(await a.call('env')).WHO, 'test:alice');
  const b = await initialized(at.url, as('bob'));
  assert.deepEqual(JSON.parse(await b.call('argv')), ['bob']);
  const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params: initializeParams() };
  assert.equal((await mcpClient(at.url, as('--eval=1')).post(initialize)).status, 403);
  assert.equal((await mcpClient(at.url).post(initialize)).status, 403);
});
