import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { alive, type Bridged, bridged, eventually } from '../support/bridged.ts';
import { frames, initialized, type McpClient, mcpClient, nextMessage, type RpcMessage } from '../support/mcp-client.ts';

const modern = fileURLToPath(new URL('../support/children/modern.mjs', import.meta.url));
const isolations = ['session', 'caller', 'shared'] as const;
const bridgedModern = (isolation = 'session', config = {}, limits = {}): Promise<Bridged> =>
  bridged({ config: { args: [modern, '--resources'], isolation, ...config }, limits });

const form = { method: 'elicitation/create', params: { message: 'Who?', requestedSchema: { type: 'object' } } };
const sampling = { method: 'sampling/createMessage', params: { messages: [], maxTokens: 9007199254740993n } };

/** A call whose questions the client answers on its stream, and all that came. */
async function conversation(client: McpClient, args: object, answer: (asked: RpcMessage) => object | undefined) {
  const body = { jsonrpc: '2.0', id: 'c', method: 'tools/call', params: { name: 'inquire', arguments: args } };
  const response = await client.post(text(body), { accept: 'text/event-stream' });
  const came: RpcMessage[] = [];
  for await (const { message } of frames(response)) {
    if (!message) continue;
    came.push(message);
    const said = message.method && message.id !== undefined ? answer(message) : undefined;
    if (said) assert.equal((await client.post({ jsonrpc: '2.0', id: message.id, ...said })).status, 202);
  }
  return came;
}
const text = (value: unknown) =>
  JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? `#${item}#` : item)).replace(
    /"#(\d+)#"/g,
    '$1',
  );

for (const isolation of isolations) {
  test(`isolation ${isolation}: initialize is answered from server/discover, in the revision the client asked for`, async () => {
    await using at = await bridgedModern(isolation);
    for (const version of ['2024-11-05', '2025-06-18', '2025-11-25']) {
      const client = mcpClient(at.url);
      const params = { protocolVersion: version, capabilities: {}, clientInfo: { name: 'old', version: '1' } };
      const response = await client.post({ jsonrpc: '2.0', id: 0, method: 'initialize', params });
      assert.ok(response.headers.get('mcp-session-id'));
      const { result } = (await response.json()) as RpcMessage;
      assert.deepEqual(result, {
        protocolVersion: version,
        capabilities: { tools: { listChanged: true }, logging: {}, resources: { subscribe: true } },
        serverInfo: { name: 'by-hand', version: '1' },
      });
    }
  });

  test(`isolation ${isolation}: a call works, and what only the modern era has is left out of its result`, async () => {
    await using at = await bridgedModern(isolation);
    const client = await initialized(at.url);
    assert.equal(await client.call('echo', { text: 'grüße' }), 'grüße');
    const { result } = await client.request('tools/list');
    assert.deepEqual(Object.keys(result ?? {}), ['tools']);
    await client.end();
  });

  test(`isolation ${isolation}: after the server has died the session goes on with another`, async () => {
    await using at = await bridgedModern(isolation);
    const client = await initialized(at.url);
    const pid = await client.call('pid');
    const { error } = await client.request('tools/call', { name: 'exit' });
    assert.equal(error?.code, -32603);
    await eventually('it is gone', () => !alive(Number(pid)));
    await eventually('another answers', async () => {
      const { result } = await client.request('tools/call', { name: 'pid', arguments: {} });
      return result !== undefined;
    });
  });
}

test('isolation session: each session has a process, which ends with it', async () => {
  await using at = await bridgedModern();
  const clients = [await initialized(at.url), await initialized(at.url)];
  const pids = await Promise.all(clients.map((client) => client.call('pid')));
  assert.notEqual(pids[0], pids[1]);
  await Promise.all(clients.map((client) => client.end()));
  for (const pid of pids) await eventually('its process is gone', () => !alive(Number(pid)));
});

test('each request says what the session said at initialize, and the level it has set', async () => {
  await using at = await bridgedModern();
  const client = await initialized(at.url);
  const meta = async () => JSON.parse(await client.call('meta'));
  assert.deepEqual(await meta(), {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': { roots: {}, sampling: {}, elicitation: {} },
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/logLevel': 'info',
    traceparent: `00-${'1'.repeat(32)}-${'1'.repeat(16)}-01`,
  });
  assert.deepEqual((await client.request('logging/setLevel', { level: 'error' })).result, {});
  assert.equal((await meta())['io.modelcontextprotocol/logLevel'], 'error');
  assert.equal((await client.request('logging/setLevel', { level: 'loud' })).error?.code, -32602);
});

test('TR-49: members of _meta and numbers beyond 2^53 survive; what a client claims in the names of the era does not', async () => {
  await using at = await bridgedModern();
  const client = await initialized(at.url);
  const line = async (meta: string) => {
    const params = `{"name":"line","arguments":{"n":9007199254740993,"x":1.0},"_meta":${meta}}`;
    const response = await client.post(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":${params}}`);
    const { result } = (await response.json()) as RpcMessage;
    return ((result?.content ?? []) as { text: string }[])[0]?.text ?? '';
  };
  assert.match(await line('{"traceparent":"00-a"}'), /"n":9007199254740993,"x":1\.0.*"traceparent":"00-a"/);
  const forged = await line('{"io.modelcontextprotocol/clientCapabilities":{"sampling":{"forged":1}}}');
  assert.doesNotMatch(forged, /forged/);
});

test('ping, setLevel, subscribe and initialized never reach the server; tasks are unknown', async () => {
  await using at = await bridgedModern();
  const client = await initialized(at.url);
  assert.deepEqual((await client.request('ping')).result, {});
  await client.request('logging/setLevel', { level: 'debug' });
  await client.request('resources/subscribe', { uri: 'test://a' });
  assert.equal((await client.request('tasks/get', { taskId: 't' })).error?.code, -32601);
  assert.equal((await client.request('resources/subscribe', {})).error?.code, -32602);
  const heard = JSON.parse(await client.call('heard')).map(({ method }: { method: string }) => method);
  for (const method of ['ping', 'logging/setLevel', 'resources/subscribe', 'notifications/initialized', 'tasks/get']) {
    assert.ok(!heard.includes(method), method);
  }
});

test('error codes come back as the sessions era has them', async () => {
  await using at = await bridgedModern();
  const client = await initialized(at.url);
  const missing = await client.request('resources/read', { uri: 'test://none' });
  assert.deepEqual(missing.error, { code: -32002, message: 'Resource not found', data: { uri: 'test://none' } });
  assert.equal((await client.request('prompts/get', { name: 'p' })).error?.code, -32600);
  assert.equal((await client.request('foo/bar')).error?.code, -32601);
});

test('questions come as requests on the stream of the call, and the call goes on with all the answers', async () => {
  await using at = await bridgedModern();
  const client = await initialized(at.url);
  const rounds = [{ who: form, draft: sampling }, { roots: { method: 'roots/list' } }];
  const came = await conversation(client, { rounds }, ({ method }) => ({ result: { by: method } }));
  assert.deepEqual(
    came.slice(0, 3).map(({ method }) => method),
    ['elicitation/create', 'sampling/createMessage', 'roots/list'],
  );
  assert.deepEqual(came[0]?.params, form.params);
  const [content] = (came.at(-1)?.result?.content ?? []) as { text: string }[];
  assert.deepEqual(JSON.parse(content?.text ?? ''), {
    inputResponses: { roots: { by: 'roots/list' } },
    requestState: 'état\u0001 1',
  });
  assert.deepEqual(new Set(came.slice(0, 3).map(({ id }) => id)).size, 3);
});

test('two calls at once are asked each on its own stream', async () => {
  await using at = await bridgedModern();
  const client = await initialized(at.url);
  const call = async (name: string) => {
    const params = { name: 'inquire', arguments: { rounds: [{ [name]: { ...form, params: { message: name } } }] } };
    const response = await client.post({ jsonrpc: '2.0', id: name, method: 'tools/call', params });
    return frames(response);
  };
  const streams = [await call('one'), await call('two')];
  for (const [i, stream] of streams.entries()) {
    const asked = await nextMessage(stream);
    assert.equal(asked.params?.message, ['one', 'two'][i]);
    await client.post({ jsonrpc: '2.0', id: asked.id, result: { action: 'decline' } });
    assert.match(JSON.stringify((await nextMessage(stream)).result), /decline/);
  }
});

const lies: readonly (readonly [what: string, rounds: unknown, pattern: RegExp])[] = [
  [
    'asks for what the client did not declare',
    [{ q: { method: 'sampling/createMessage', params: { tools: [] } } }],
    /cannot be asked/,
  ],
  ['asks for a method that is none', [{ q: { method: 'tools/call' } }], /cannot be asked/],
  ['asks what is no request', [{ q: 'x' }], /no request/],
  ['asks with parameters that are none', [{ q: { method: 'roots/list', params: 7 } }], /no request/],
  ['asks a thousand questions', [Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [i, form]))], /too many/],
];
for (const [what, rounds, pattern] of lies) {
  test(`a server that ${what} fails the call, and the session lives`, async () => {
    await using at = await bridgedModern();
    const client = await initialized(at.url);
    const came = await conversation(client, { rounds }, () => assert.fail('the client was asked'));
    assert.match(came.at(-1)?.error?.message ?? '', pattern);
    assert.equal(await client.call('echo', { text: 'on' }), 'on');
  });
}

test('a client that refuses one question ends the call and takes back the others', async () => {
  await using at = await bridgedModern();
  const client = await initialized(at.url);
  const refuse = ({ method }: RpcMessage) =>
    method === 'elicitation/create' ? { error: { code: -1, message: 'no' } } : undefined;
  const came = await conversation(client, { rounds: [{ b: sampling, a: form }] }, refuse);
  assert.deepEqual(
    came.map(({ method }) => method),
    ['sampling/createMessage', 'elicitation/create', 'notifications/cancelled', undefined],
  );
  assert.equal(came[2]?.params?.requestId, came[0]?.id);
  assert.match(came[3]?.error?.message ?? '', /refused elicitation\/create: no/);
});

test('a state without questions is tried again until the server is ready', async () => {
  await using at = await bridgedModern();
  const client = await initialized(at.url);
  assert.match(await client.call('inquire', { rounds: [{}, {}] }), /état/);
});

test('notifications/cancelled reaches the server under the id that it knows, also between rounds', async () => {
  await using at = await bridgedModern();
  const client = await initialized(at.url);
  const begun = client.post({
    jsonrpc: '2.0',
    id: 'x',
    method: 'tools/call',
    params: { name: 'hang', arguments: { key: 1 } },
  });
  await eventually('it hangs', async () => (await client.call('heard')).includes('"tools/call"'));
  await client.notify('notifications/cancelled', { requestId: 'x', reason: 'enough' });
  assert.equal((await begun).status, 200);
  const heard: { method: string; requestId?: unknown }[] = JSON.parse(await client.call('heard'));
  assert.equal(typeof heard.find(({ method }) => method === 'notifications/cancelled')?.requestId, 'number');
});

test('progress and log lines come on the stream of their call with the token of the client', async () => {
  await using at = await bridgedModern('shared');
  const clients = [await initialized(at.url), await initialized(at.url)];
  const came = await Promise.all(
    clients.map(async (client) => {
      const params = { name: 'progress', arguments: { count: 3 }, _meta: { progressToken: 'same' } };
      const response = await client.post({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
      const all: RpcMessage[] = [];
      for await (const { message } of frames(response)) if (message) all.push(message);
      return all;
    }),
  );
  for (const all of came) {
    assert.deepEqual(
      all.map(({ params }) => params?.progress),
      [0, 1, 2, undefined],
    );
    assert.deepEqual(
      all.slice(0, 3).map(({ params }) => params?.progressToken),
      ['same', 'same', 'same'],
    );
  }
});

test('changed lists and watched resources come on the GET stream, once, without the subscription id', async () => {
  await using at = await bridgedModern();
  const client = await initialized(at.url);
  const stream = frames(await client.get());
  assert.deepEqual((await client.request('resources/subscribe', { uri: 'test://a' })).result, {});
  assert.deepEqual((await client.request('resources/subscribe', { uri: 'test://b' })).result, {});
  await client.call('touch', { uri: 'test://a' });
  assert.deepEqual((await nextMessage(stream)).params, { uri: 'test://a', _meta: { kept: 1 } });
  await client.request('resources/unsubscribe', { uri: 'test://a' });
  await client.request('resources/subscribe', { uri: 'test://c' });
  await client.call('touch', { uri: 'test://a' });
  await client.call('change', { list: 'tools' });
  assert.equal((await nextMessage(stream)).method, 'notifications/tools/list_changed');
});

test('ST-15: a subscription that the server ends is asked for again', async () => {
  await using at = await bridgedModern();
  const client = await initialized(at.url);
  const stream = frames(await client.get());
  await client.request('resources/subscribe', { uri: 'test://a' });
  await client.call('change', { list: 'tools', end: 'result' });
  assert.equal((await nextMessage(stream)).method, 'notifications/tools/list_changed');
  const listens = async () => (await client.call('heard')).split('"subscriptions/listen"').length - 1;
  const before = await listens();
  await eventually('it listens again', async () => (await listens()) > before);
  await client.call('touch', { uri: 'test://a' });
  assert.equal((await nextMessage(stream)).method, 'notifications/resources/updated');
});

test('the tools policy holds across the eras', async () => {
  await using at = await bridgedModern('session', { tools: { deny: ['exit', 'p*'] } });
  const client = await initialized(at.url);
  const { result } = await client.request('tools/list');
  const names = ((result?.tools ?? []) as { name: string }[]).map(({ name }) => name);
  assert.ok(names.includes('echo') && !names.includes('exit') && !names.includes('pid'));
  assert.equal((await client.request('tools/call', { name: 'exit' })).error?.code, -32602);
});
