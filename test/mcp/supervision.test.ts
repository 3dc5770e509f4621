import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as after } from 'node:timers/promises';
import { type LogFields, overheard, silent } from '../../src/log.ts';
import { backoff } from '../../src/mcp/backoff.ts';
import { alive, bridged, eventually } from '../support/bridged.ts';
import {
  allFrames,
  frames,
  initialized,
  initializeParams,
  mcpClient,
  nextMessage,
  textOf,
} from '../support/mcp-client.ts';
import { modernClient, modernScript } from '../support/modern-client.ts';

const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params: initializeParams() };
const call = (name: string, args: object = {}, id = 1) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});

/** A log, and what was said to it. */
function listening() {
  const heard: { event: string; fields: LogFields }[] = [];
  return { heard, log: overheard(silent, (_level, event, fields) => heard.push({ event, fields })) };
}

test('the first failure is forgiven, then the wait doubles up to 30 s; ten in five minutes stop the server', () => {
  const waits: number[] = [];
  const failures: number[] = [];
  let now = 1000;
  for (let i = 0; i < 9; i++) {
    failures.push(now);
    const { wait, stopped } = backoff(failures, now);
    assert.equal(stopped, false);
    waits.push(wait);
    now += wait;
  }
  assert.deepEqual(waits, [0, 1, 2, 4, 8, 16, 30, 30, 30]);
  failures.push(now);
  assert.deepEqual(backoff(failures, now), { wait: 1000 + 300 - now, stopped: true });
  assert.deepEqual(backoff(failures, 1301), { wait: Math.max(0, now + 30 - 1301), stopped: false });
});

test('a server that falls again and again is left alone for a while, then stopped, and the status says why', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000_000 });
  const { heard, log } = listening();
  await using at = await bridged({ args: ['--exit'], log });
  const client = mcpClient(at.url);
  for (let failures = 1; failures <= 10; failures++) {
    assert.equal((await client.post(initialize)).status, 502, `try ${failures}`);
    const { state, retryIn, lastFailure } = at.bridge.status();
    assert.equal(state, failures === 1 ? 'ready' : failures < 10 ? 'backing off' : 'stopped');
    assert.match(lastFailure ?? '', /3/, 'the exit code');
    if (failures === 1 || failures === 10) continue;
    const early = await client.post(initialize);
    assert.equal(early.status, 503, 'before its time nothing is started');
    assert.ok(Number(early.headers.get('retry-after')) <= retryIn);
    t.mock.timers.tick(retryIn * 1000);
  }
  assert.equal((await client.post(initialize)).status, 503);
  assert.ok(heard.some(({ event }) => event.startsWith('server stopped')));
  const said = heard.filter(({ event }) => event === 'server ended').map(({ fields }) => JSON.stringify(fields.stderr));
  assert.ok(said.length > 0 && said.every((stderr) => stderr.includes('cannot find my configuration')));
  t.mock.timers.tick(at.bridge.status().retryIn * 1000);
  assert.notEqual(at.bridge.status().state, 'stopped', 'it is tried again when its failures are old');
});

for (const isolation of ['session', 'caller', 'shared']) {
  test(`isolation ${isolation}: calls of a server that dies fail at once, and the log has its last words`, async () => {
    const { heard, log } = listening();
    await using at = await bridged({ config: { isolation }, log });
    const client = await initialized(at.url);
    const waiting = Array.from({ length: 5 }, (_, i) => client.post(call('never', {}, 10 + i)));
    await client.call('echo', { text: 'all are under way' });
    const fatal = client.post(call('crash', {}, 99));
    for (const response of await Promise.all([...waiting, fatal])) {
      assert.equal(response.status, 502);
      assert.ok(((await response.json()) as { error: object }).error);
    }
    await eventually('the log has it', () => JSON.stringify(heard).includes('about to fall'));
  });
}

test('a burst of first callers starts one process, in both eras', async () => {
  await using at = await bridged({ config: { isolation: 'shared' } });
  const legacy = Array.from({ length: 10 }, async () => (await initialized(at.url)).call('pid'));
  const pids = await Promise.all(legacy);
  assert.equal(new Set(pids).size, 1);
  const modern = await Promise.all(
    Array.from({ length: 10 }, () =>
      modernClient(at.url).request({ method: 'tools/call', params: { name: 'pid', arguments: {} } }),
    ),
  );
  assert.equal(new Set(modern.map(({ result }) => JSON.stringify(result?.content))).size, 1);
});

test('a spare is started before anybody comes, the first session takes it, and it counts against no cap', async () => {
  await using at = await bridged({ config: { spare: true, maxChildren: 2 } });
  await eventually('the spare is up', () => at.bridge.status().children.length === 1);
  const spare = at.bridge.status().children[0]?.pid;
  const client = await initialized(at.url);
  assert.equal(Number(await client.call('pid')), spare);
  await eventually('there is another', () => at.bridge.status().children.length === 2);
  const next = at.bridge.status().children.find(({ pid }) => pid !== spare)?.pid;
  assert.equal(Number(await (await initialized(at.url)).call('pid')), next);
});

test('a spare that dies before it is needed harms nobody', async () => {
  await using at = await bridged({ config: { spare: true } });
  await eventually('the spare is up', () => at.bridge.status().children.length === 1);
  const spare = at.bridge.status().children[0]?.pid ?? assert.fail();
  process.kill(spare, 'SIGKILL');
  await eventually('it is gone', () => !alive(spare));
  assert.equal(await (await initialized(at.url)).call('echo', { text: 'x' }), 'x');
});

test('children have a cap for each caller and one for all, and a claim is taken before the process is there', async () => {
  await using at = await bridged({ config: { maxChildren: 3 }, limits: { childrenPerCaller: 2 } });
  const busy = async (user: string) => {
    const client = await initialized(at.url, { 'x-test-user': user });
    await client.get();
  };
  await Promise.all([busy('a'), busy('a')]);
  assert.equal((await mcpClient(at.url, { 'x-test-user': 'a' }).post(initialize)).status, 429);
  const statuses = await Promise.all(
    Array.from(
      { length: 6 },
      async (_, i) => (await mcpClient(at.url, { 'x-test-user': `b${i}` }).post(initialize)).status,
    ),
  );
  assert.deepEqual(statuses.toSorted(), [200, 503, 503, 503, 503, 503]);
  assert.equal(at.bridge.status().children.length, 3);
});

/** A log that follows how many messages a flood has written, and waits until it gets no further. */
function flooded() {
  let wrote = 0;
  const log = overheard(silent, (_level, _event, { line }) => {
    wrote = Math.max(wrote, Number(/wrote (\d+)/.exec(String(line))?.[1] ?? 0));
  });
  const stuck = async () => {
    let before = -1;
    while (before !== wrote || wrote === 0) {
      before = wrote;
      await after(150);
    }
    return wrote;
  };
  return { log, stuck };
}

test('a reader who takes nothing makes the server wait, and gets everything in order when he reads on', async () => {
  const count = 250;
  const { log, stuck } = flooded();
  await using at = await bridged({ log, limits: { eventLog: 500_000 } });
  const client = await initialized(at.url);
  const response = await client.post(call('flood', { count, bytes: 200_000 }));
  const wrote = await stuck();
  assert.ok(wrote < count, `the server wrote ${wrote} of ${count} messages that nobody read`);
  const numbers: number[] = [];
  for await (const { message } of frames(response)) {
    if (message?.method === 'notifications/message') numbers.push(Number(message.params?.logger));
  }
  assert.deepEqual(
    numbers,
    Array.from({ length: count }, (_, i) => i + 1),
  );
});

test('a server that waited for a reader goes on when that one has gone', async () => {
  const { log, stuck } = flooded();
  await using at = await bridged({ log, config: { requestTimeout: '5s' }, limits: { eventLog: 100_000 } });
  const client = await initialized(at.url);
  const leave = new AbortController();
  await client.post(call('flood', { count: 100, bytes: 200_000 }, 5), {}, leave.signal);
  await stuck();
  leave.abort();
  const response = await client.post(call('echo', { text: 'on' }), { accept: 'application/json' });
  assert.equal(response.status, 200, await response.text());
  assert.doesNotMatch(await client.call('seen'), /cancelled/, 'it had to wait until the call of the other was over');
});

test('a half-open reader is cut, and its session with its process ends after the idle time', async () => {
  await using at = await bridged({
    config: { idleTimeout: '300ms', requestTimeout: '2s' },
    limits: { eventLog: 100_000, stalled: 0.2, keepAlive: 0.1 },
  });
  const client = await initialized(at.url);
  const pid = Number(await client.call('pid'));
  const silentReader = await client.post(call('flood', { count: 150, bytes: 200_000 }));
  assert.equal(silentReader.status, 200);
  await eventually('the process is gone', () => !alive(pid));
  assert.equal(at.bridge.status().sessions, 0);
});

test('a session older than its lifetime ends when it is quiet, never while a call or a stream is open', async () => {
  await using at = await bridged({ limits: { sessionLifetime: 0.6, keepAlive: 0.1 } });
  const quiet = await initialized(at.url);
  const calling = await initialized(at.url);
  const listeningOne = await initialized(at.url);
  const stop = new AbortController();
  const stream = frames(await listeningOne.get({}, stop.signal));
  const slow = calling.call('sleep', { ms: 1200 });
  const [old] = at.bridge.status().children;
  await eventually('the quiet one is gone', () => at.bridge.status().sessions === 2);
  assert.ok(old);
  assert.equal((await quiet.post({ jsonrpc: '2.0', id: 1, method: 'ping' })).status, 404);
  assert.equal(await slow, 'slept 1200');
  await eventually('the one that called is gone', () => at.bridge.status().sessions === 1);
  await listeningOne.call('later', { method: 'notifications/tools/list_changed', ms: 1 });
  assert.ok((await nextMessage(stream)).method);
  stop.abort();
  await eventually('the one that listened is gone', () => at.bridge.status().children.length === 0);
});

test('a flood on stderr is drained, logged at a bounded rate, and counted', async () => {
  const { heard, log } = listening();
  await using at = await bridged({ log });
  const client = await initialized(at.url);
  assert.equal(await client.call('stderr', { count: 50_000 }), 'noise');
  assert.equal(await client.call('echo', { text: 'on' }), 'on');
  const lines = heard.filter(({ event }) => event === 'stderr').length;
  assert.ok(lines > 0 && lines <= 2000, `${lines} lines of 50000`);
  assert.ok(heard.filter(({ event }) => event === 'stderr').every(({ fields }) => fields.line !== undefined));
});

test('a flood of what is no message ends the server; a line of 20 MB passes, or fails its call alone', async () => {
  await using wide = await bridged();
  const client = await initialized(wide.url);
  assert.equal((await client.call('big', { bytes: 20_000_000 })).length, 20_000_000);
  await using narrow = await bridged({ limits: { message: 1_000_000 } });
  const other = await initialized(narrow.url);
  const { error } = await other.request('tools/call', { name: 'big', arguments: { bytes: 20_000_000 } });
  assert.equal(error?.code, -32603);
  assert.equal(await other.call('echo', { text: 'on' }), 'on');
  await using noisy = await bridged({ args: ['--garbage'] });
  assert.equal((await mcpClient(noisy.url).post(initialize)).status, 502);
  assert.equal(
    (await allFrames(await client.post(call('progress', { count: 1 }), { accept: 'text/event-stream' }))).length > 0,
    true,
  );
});

test('a server that hangs is ended once it shows no sign of life, and the next one works', async () => {
  const limits = { childGrace: 0.05, streamAfter: 10 };
  const requestTimeout = '1s';
  const legacy = ['session', 'caller', 'shared'].map(async (isolation) => {
    await using at = await bridged({ config: { isolation, requestTimeout }, limits });
    const client = await initialized(at.url, { 'x-test-user': 'a' });
    const pid = Number(await client.call('pid'));
    assert.equal((await client.post(call('freeze'))).status, 504);
    await eventually('it is gone', () => !alive(pid));
    assert.equal((await client.post(call('echo'))).status, 404, 'its session is over');
    assert.equal(await (await initialized(at.url, { 'x-test-user': 'a' })).call('echo', { text: 'on' }), 'on');
  });
  const modern = [{}, { args: [modernScript] }].map(async (own) => {
    await using at = await bridged({ config: { isolation: 'shared', requestTimeout, ...own }, limits });
    const client = modernClient(at.url);
    const pid = Number(textOf((await client.call('pid')).result));
    assert.equal((await client.call('freeze')).status, 504);
    await eventually('it is gone', () => !alive(pid));
    assert.equal(textOf((await client.call('echo', { text: 'on' })).result), 'on');
  });
  await Promise.all([...legacy, ...modern]);
});

test('a server that leaves a call without an answer but shows signs of life goes on', async () => {
  await using at = await bridged({ config: { requestTimeout: '300ms' } });
  const client = await initialized(at.url);
  const pid = await client.call('pid');
  for (const _ of [1, 2]) assert.equal((await client.post(call('never'))).status, 504);
  assert.equal(await client.call('pid'), pid);
});

test('isolation caller: who crashes his own server again and again keeps nobody else from starting one', async () => {
  await using at = await bridged({ config: { isolation: 'caller' } });
  for (let i = 0; i < 5; i++) {
    const bad = await initialized(at.url, { 'x-test-user': 'bad' });
    await bad.post(call('crash'));
  }
  assert.equal(at.bridge.status().state, 'ready');
});
