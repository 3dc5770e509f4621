import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alive, bridged, eventually } from '../support/bridged.ts';
import {
  allFrames,
  both,
  frames,
  initialized,
  initializeParams,
  mcpClient,
  nextMessage,
} from '../support/mcp-client.ts';

const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params: initializeParams() };

test('a client initializes, lists tools and calls one; answers that nothing precedes are JSON', async () => {
  await using at = await bridged();
  const client = mcpClient(at.url);
  const response = await client.post(initialize);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.match(response.headers.get('mcp-session-id') ?? '', /^[\x21-\x7e]{22,}$/);
  const { result, id } = (await response.json()) as { result: { protocolVersion: string }; id: number };
  assert.deepEqual([result.protocolVersion, id], ['2025-11-25', 1]);

  const session = await initialized(at.url);
  const list = await session.request('tools/list');
  assert.ok(JSON.stringify(list.result).includes('"name":"echo"'));
  assert.equal(await session.call('echo', { text: 'hello' }), 'hello');
});

test('what precedes an answer turns it into an event stream that ends with the answer', async () => {
  await using at = await bridged();
  const client = await initialized(at.url);
  const response = await client.post({
    jsonrpc: '2.0',
    id: 7,
    method: 'tools/call',
    params: { name: 'progress', arguments: { count: 3 }, _meta: { progressToken: 'p' } },
  });
  assert.equal(response.headers.get('x-accel-buffering'), 'no');
  const all = await allFrames(response);
  const [primer, ...rest] = all;
  assert.deepEqual([primer?.data, typeof primer?.id], ['', 'string'], '2025-11-25: a priming event comes first');
  assert.deepEqual(
    rest.map(({ event, message }) => [event, message?.method ?? message?.id]),
    [
      ['message', 'notifications/progress'],
      ['message', 'notifications/progress'],
      ['message', 'notifications/progress'],
      ['message', 7],
    ],
  );
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length, 'event ids are unique');
});

test('before 2025-11-25 no priming event is sent: those clients take it for broken JSON', async () => {
  await using at = await bridged();
  const client = await initialized(at.url, {}, '2025-06-18');
  const response = await client.post({
    jsonrpc: '2.0',
    id: 7,
    method: 'tools/call',
    params: { name: 'log', arguments: {} },
  });
  assert.deepEqual(
    (await allFrames(response)).map(({ data }) => data === ''),
    [false, false],
  );
});

test('a pretty-printed body reaches the server as one line, its numbers as they were written', async () => {
  await using at = await bridged();
  const client = await initialized(at.url);
  const body =
    '{\n "jsonrpc": "2.0",\r\n "id": 9007199254740993123,\n "method": "tools/call", "params": {"name": "line", "x": 1.0, "t": "a\\nb"}\n}';
  const response = await client.post(body);
  const answer = await response.text();
  assert.match(answer, /"x\\": 1.0/);
  assert.match(answer, /9007199254740993123/);
});

test('server requests travel on the call that is in flight, and the answer finds its way back', async () => {
  await using at = await bridged();
  const client = await initialized(at.url);
  const response = await client.post({
    jsonrpc: '2.0',
    id: 3,
    method: 'tools/call',
    params: { name: 'ask', arguments: { method: 'roots/list' } },
  });
  const stream = frames(response);
  const question = await nextMessage(stream);
  assert.equal(question.method, 'roots/list');
  const accepted = await client.post({ jsonrpc: '2.0', id: question.id, result: { roots: [{ uri: 'file:///x' }] } });
  assert.equal(accepted.status, 202);
  assert.equal(await accepted.text(), '');
  assert.match(JSON.stringify((await nextMessage(stream)).result), /file:\/\/\/x/);
});

test('what belongs to no call waits for the GET stream; a second GET takes over from the first', async () => {
  await using at = await bridged();
  const client = await initialized(at.url);
  await client.call('later', { method: 'notifications/tools/list_changed', ms: 1 });
  const first = await client.get();
  assert.equal(first.status, 200);
  const stream = frames(first);
  assert.equal((await nextMessage(stream)).method, 'notifications/tools/list_changed');

  const second = await client.get();
  assert.equal((await stream.next()).done, true, 'the first stream ends');
  await client.call('later', { method: 'notifications/prompts/list_changed', ms: 1 });
  assert.equal((await nextMessage(frames(second))).method, 'notifications/prompts/list_changed');
});

test('a quiet stream carries comments', async () => {
  await using at = await bridged({ limits: { keepAlive: 0.05 } });
  const client = await initialized(at.url, {}, '2025-06-18');
  const response = await client.get();
  for await (const chunk of response.body ?? []) {
    assert.match(Buffer.from(chunk).toString(), /^: .*\n\n/);
    break;
  }
});

test('ST-10: a ping of the server is answered while no client listens', async () => {
  await using at = await bridged({ args: ['--ping'] });
  const client = await initialized(at.url);
  await eventually('the server got its pong', async () => (await client.call('level')) === 'ponged');
});

test('DELETE ends the session and its process, and the session is unknown from then on', async () => {
  await using at = await bridged();
  const client = await initialized(at.url);
  const pid = Number(await client.call('pid'));
  assert.equal((await client.end()).status, 204);
  assert.equal((await client.post({ jsonrpc: '2.0', id: 1, method: 'ping' })).status, 404);
  await eventually('the process is gone', () => !alive(pid));
  assert.equal(at.bridge.status().sessions, 0);
});

test('the rules of requests: each fault has its status and a JSON-RPC error', async (t) => {
  await using at = await bridged({ limits: { message: 10_000 } });
  const client = await initialized(at.url);
  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
  const without = mcpClient(at.url);
  const cases: [string, () => Promise<Response>, number, number?][] = [
    ['no session id', () => without.post(ping), 400, -32600],
    ['an unknown session', () => without.post(ping, { 'mcp-session-id': 'nonsense' }), 404, -32600],
    [
      'another caller',
      () => without.post(ping, { 'mcp-session-id': client.headers['mcp-session-id'] ?? '', 'x-test-user': 'eve' }),
      404,
    ],
    ['an unknown protocol version', () => client.post(ping, { 'mcp-protocol-version': '1999-01-01' }), 400, -32600],
    ['another content type', () => client.post(ping, { 'content-type': 'text/plain' }), 415, -32600],
    ['an Accept that allows nothing we have', () => client.post(ping, { accept: 'text/html' }), 406, -32600],
    ['broken JSON', () => client.post('{"jsonrpc":'), 400, -32700],
    ['bytes that are not UTF-8', () => client.post(Buffer.from([0x22, 0xff, 0x22])), 400, -32700],
    ['a batch after 2025-03-26', () => client.post([ping]), 400, -32600],
    ['an empty batch', () => client.post([]), 400, -32600],
    ['no jsonrpc member', () => client.post({ id: 1, method: 'ping' }), 400, -32600],
    ['id null', () => client.post({ ...ping, id: null }), 400, -32600],
    ['params that are no object', () => client.post({ ...ping, params: [1] }), 400, -32600],
    ['a member twice', () => client.post('{"jsonrpc":"2.0","id":1,"method":"ping","method":"x"}'), 400, -32600],
    [
      'a member in two spellings',
      () => client.post('{"jsonrpc":"2.0","id":1,"method":"ping","Method":"x"}'),
      400,
      -32600,
    ],
    ['a body over the limit', () => client.post({ ...ping, params: { x: 'x'.repeat(20_000) } }), 413],
    ['GET without a session', () => without.get(), 405],
    ['GET that takes no stream', () => client.get({ accept: 'text/html' }), 405],
    ['GET of an unknown session', () => without.get({ 'mcp-session-id': 'nonsense' }), 404],
    ['GET after an event that never was', () => client.get({ 'last-event-id': '77.1' }), 400],
    ['PUT', () => fetch(at.url, { method: 'PUT' }), 405],
  ];
  for (const [what, send, status, code] of cases) {
    await t.test(`${what}: ${status}`, async () => {
      const response = await send();
      const text = await response.text();
      assert.equal(response.status, status, text);
      if (code !== undefined) assert.equal(JSON.parse(text).error.code, code);
    });
  }
  assert.equal(await client.call('echo', { text: 'still here' }), 'still here');
  assert.deepEqual(
    JSON.parse(await client.call('seen')).map(({ method }: { method: string }) => method),
    ['initialize', 'notifications/initialized'],
    'ST-02: nothing of it reached the server',
  );
});

test('a request whose id is in flight is refused; 1 and "1" are two ids', async () => {
  await using at = await bridged();
  const client = await initialized(at.url);
  const call = (id: string | number) =>
    client.post({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: 'ask', arguments: { method: 'roots/list' } },
    });
  const first = frames(await call(1));
  const question = await nextMessage(first);
  assert.equal((await call(1)).status, 400);
  const other = frames(await call('1'));
  const second = await nextMessage(other);
  for (const { id } of [question, second]) await client.post({ jsonrpc: '2.0', id, result: {} });
  assert.equal((await nextMessage(first)).id, 1);
  assert.equal((await nextMessage(other)).id, '1');
});

test('2025-03-26: a batch is answered as a whole', async () => {
  await using at = await bridged();
  const client = await initialized(at.url, {}, '2025-03-26');
  const call = (id: number, text: string) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'echo', arguments: { text } },
  });
  const response = await client.post([call(1, 'a'), { jsonrpc: '2.0', method: 'notifications/x' }, call(2, 'b')]);
  const answers = (await response.json()) as { id: number }[];
  assert.deepEqual(answers.map(({ id }) => id).toSorted(), [1, 2]);
  assert.equal((await client.post([{ jsonrpc: '2.0', method: 'notifications/x' }])).status, 202);
});

test('a cancelled call ends at once and the server is told', async () => {
  await using at = await bridged();
  const client = await initialized(at.url);
  const pending = client.post({ jsonrpc: '2.0', id: 5, method: 'tools/call', params: { name: 'never' } });
  await eventually('cancelled', async () => {
    await client.notify('notifications/cancelled', { requestId: 5 });
    return (await client.call('seen')).includes('notifications/cancelled');
  });
  assert.match(await (await pending).text(), /cancelled/);
});

test('TR-13: a client that leaves has not cancelled', async () => {
  await using at = await bridged();
  const client = await initialized(at.url);
  const leave = new AbortController();
  const body = {
    jsonrpc: '2.0',
    id: 5,
    method: 'tools/call',
    params: { name: 'ask', arguments: { method: 'roots/list' } },
  };
  const response = await client.post(body, {}, leave.signal);
  await nextMessage(frames(response));
  leave.abort();
  assert.doesNotMatch(await client.call('seen'), /cancelled/);
});

test('TR-45: a call that hangs ends with 504 and is cancelled; one that reports progress goes on', async () => {
  await using at = await bridged({ config: { requestTimeout: '300ms' } });
  const client = await initialized(at.url);
  const response = await client.post({ jsonrpc: '2.0', id: 5, method: 'tools/call', params: { name: 'never' } });
  assert.equal(response.status, 504);
  assert.equal(((await response.json()) as { error: { code: number } }).error.code, -32603);
  assert.match(await client.call('seen'), /"notifications\/cancelled","params":\{"requestId":5/);
  const steps = await client.request('tools/call', {
    name: 'progress',
    arguments: { count: 8, ms: 60 },
    _meta: { progressToken: 1 },
  });
  assert.match(JSON.stringify(steps.result), /8 steps/);
});

for (const [what, args, config, status] of [
  ['a command that does not exist', [], { command: '/nonexistent/server' }, 502],
  ['a directory that does not exist', [], { cwd: '/nonexistent' }, 502],
  ['a server that exits at once', ['--exit'], {}, 502],
  ['a server that prints garbage', ['--garbage'], {}, 502],
  ['a server that never answers', ['--mute'], { requestTimeout: '300ms' }, 504],
] as const) {
  test(`TR-51: ${what} is ${status}, and no 4xx that would look like an old server`, async () => {
    await using at = await bridged({ args, config });
    const response = await mcpClient(at.url).post(initialize);
    const { error } = (await response.json()) as { error: { code: number; message: string } };
    assert.equal(response.status, status, error.message);
    assert.equal(error.code, -32603);
    await eventually(
      'nothing is left',
      () => at.bridge.status().sessions === 0 && at.bridge.status().children.length === 0,
    );
  });
}

test('a server that refuses to initialize is heard, and ended', async () => {
  await using at = await bridged({ args: ['--refuse'] });
  const response = await mcpClient(at.url).post(initialize);
  assert.equal(response.status, 200);
  assert.match(await response.text(), /not today/);
  await eventually(
    'nothing is left',
    () => at.bridge.status().sessions === 0 && at.bridge.status().children.length === 0,
  );
});

test('ST-06: when the server dies its calls fail at once with 502 and its session is unknown', async (t) => {
  for (const how of ['exit', 'crash', 'close']) {
    await t.test(how, async () => {
      await using at = await bridged();
      const client = await initialized(at.url);
      const waiting = client.post({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'never' } });
      const fatal = client.post({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: how } });
      for (const response of await Promise.all([waiting, fatal])) {
        assert.equal(response.status, 502);
        assert.equal(((await response.json()) as { error: { code: number } }).error.code, -32603);
      }
      assert.equal((await client.post({ jsonrpc: '2.0', id: 3, method: 'ping' })).status, 404);
    });
  }
});

test('ST-04: banners and logs on stdout are skipped', async () => {
  await using at = await bridged({ args: ['--banner'] });
  const client = await initialized(at.url);
  assert.equal(await client.call('echo', { text: 'hello' }), 'hello');
});

test('characters split over chunks arrive whole', async () => {
  await using at = await bridged();
  const client = await initialized(at.url);
  assert.equal(await client.call('split'), 'Grüße – 世界 – 🚀');
});

test('an answer beyond the limit is an error for its call alone', async () => {
  await using at = await bridged({ limits: { message: 100_000 } });
  const client = await initialized(at.url);
  const { error } = await client.request('tools/call', { name: 'big', arguments: { bytes: 200_000 } });
  assert.match(error?.message ?? '', /more than the 100000 allowed/);
  assert.equal((await client.call('big', { bytes: 90_000 })).length, 90_000);
});

test('second answers and answers to nobody are dropped', async () => {
  await using at = await bridged();
  const client = await initialized(at.url);
  assert.equal((await client.request('tools/call', { name: 'twice' })).id !== undefined, true);
  assert.equal(await client.call('unknown'), 'answered nobody');
  assert.equal(await client.call('echo', { text: 'fine' }), 'fine');
});

test('ST-05: a server that ignores the end of its input and TERM is killed with all it started', async () => {
  await using at = await bridged({ args: ['--deaf', '--stay'], limits: { childGrace: 0.1 } });
  const client = await initialized(at.url);
  const pids = [await client.call('pid'), await client.call('fork'), await client.call('fork', { deaf: true })].map(
    Number,
  );
  assert.ok(pids.every(alive));
  await client.end();
  await eventually('all are gone', () => !pids.some(alive));
});

test('grandchildren of a server that crashed are ended too', async () => {
  await using at = await bridged({ limits: { childGrace: 0.1 } });
  const client = await initialized(at.url);
  const pid = Number(await client.call('fork', { deaf: true }));
  await client.request('tools/call', { name: 'crash' });
  await eventually('it is gone', () => !alive(pid));
});

test('ST-20: arguments are literal, and only the configured environment is added to the few names that are inherited', async () => {
  process.env.GATEWAY_SECRET = 'hunter2';
  await using at = await bridged({ args: ['$(id)', '; rm -rf /', '*'], config: { env: { TOKEN: '$HOME' }, cwd: '/' } });
  const client = await initialized(at.url);
  assert.deepEqual(JSON.parse(await client.call('argv')), ['$(id)', '; rm -rf /', '*']);
  const env = JSON.parse(await client.call('env'));
  assert.equal(env.TOKEN, '$HOME');
  assert.equal(env.GATEWAY_SECRET, undefined);
  assert.equal(env.PATH, process.env.PATH);
  assert.equal(await client.call('cwd'), '/');
});

test('TR-22: a session belongs to one user and client', async () => {
  await using at = await bridged();
  const alice = await initialized(at.url, { 'x-test-user': 'alice' });
  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
  assert.equal((await alice.post(ping)).status, 200);
  assert.equal((await alice.post(ping, { 'x-test-user': 'bob' })).status, 404);
  assert.equal((await alice.post(ping, { 'x-test-client': 'other' })).status, 404);
  assert.equal((await mcpClient(at.url, { ...alice.headers, 'x-test-user': 'bob' }).end()).status, 404);
  assert.equal((await alice.post(ping)).status, 200);
});

test('caps: 503 for all, 429 for one caller whose sessions are busy, both with a time to wait', async () => {
  await using at = await bridged({ config: { maxSessions: 3 }, limits: { sessionsPerCaller: 2 } });
  const [first] = [
    await initialized(at.url, { 'x-test-user': 'a' }),
    await initialized(at.url, { 'x-test-user': 'a' }),
  ];
  const third = await initialized(at.url, { 'x-test-user': 'a' });
  assert.equal(
    (await first?.post({ jsonrpc: '2.0', id: 1, method: 'ping' }))?.status,
    404,
    'the longest unused one made room',
  );
  await third.get();
  const fourth = await initialized(at.url, { 'x-test-user': 'a' });
  await fourth.get();
  const refused = await mcpClient(at.url, { 'x-test-user': 'a' }).post(initialize);
  assert.equal(refused.status, 429);
  assert.ok(Number(refused.headers.get('retry-after')) > 0);
  await initialized(at.url, { 'x-test-user': 'b' });
  const full = await mcpClient(at.url, { 'x-test-user': 'c' }).post(initialize);
  assert.equal(full.status, 503);
  assert.ok(Number(full.headers.get('retry-after')) > 0);
});

test('a session without a call or a stream ends after its idle time, with its process', async () => {
  await using at = await bridged({ config: { idleTimeout: '500ms' } });
  // Each is busy at once: starting the next may take longer than a session may be idle.
  const busy = await initialized(at.url);
  const call = busy.call('sleep', { ms: 3000 });
  const listening = await initialized(at.url);
  // Held: a response that nobody refers to any more is closed when it is collected.
  const stream = await listening.get();
  const idle = await initialized(at.url);
  const pid = Number(await idle.call('pid'));
  await eventually('the idle one is gone', () => !alive(pid));
  assert.equal(await call, 'slept 3000');
  assert.equal((await listening.post({ jsonrpc: '2.0', id: 1, method: 'ping' })).status, 200);
  await stream.body?.cancel();
});

test('when the bridge is disposed no process, timer or stream is left', async () => {
  const at = await bridged({ args: ['--stay'], limits: { childGrace: 0.1 } });
  const client = await initialized(at.url);
  const pid = Number(await client.call('pid'));
  const stream = await client.get();
  const call = client.post({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'never' } });
  await at[Symbol.asyncDispose]();
  assert.equal(alive(pid), false);
  assert.equal((await call).status, 503);
  assert.equal((await allFrames(stream)).at(-1)?.message, undefined);
  assert.equal(at.bridge.status().children.length, 0);
  const left = () => process.getActiveResourcesInfo().filter((kind) => kind === 'ProcessWrap' || kind === 'Timeout');
  await eventually('no handle is left', () => left().length === 0);
});

test('a client that takes only JSON gets JSON; one that takes only streams gets a stream', async () => {
  await using at = await bridged();
  const client = await initialized(at.url);
  const log = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'log', arguments: { text: 'x' } } };
  const json = await client.post(log, { accept: 'application/json' });
  assert.match(
    ((await json.json()) as { result: { content: { text: string }[] } }).result.content[0]?.text ?? '',
    /told/,
  );
  const stream = await client.post({ ...log, params: { name: 'pid' } }, { accept: 'text/event-stream' });
  assert.equal((await allFrames(stream)).at(-1)?.message?.id, 1);
  assert.notEqual(both, '');
});
