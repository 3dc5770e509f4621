/** Rules of the transports that no other file puts to the test, one by one. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bridged, eventually } from '../support/bridged.ts';
import { allFrames, frames, initialized, initializeParams, mcpClient, nextMessage } from '../support/mcp-client.ts';
import { modernClient, modernScript } from '../support/modern-client.ts';

const call = (name: string, args: object = {}, id: string | number = 1) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});

test('TR-15: no answer ever comes on the GET stream', async () => {
  await using at = await bridged();
  const client = await initialized(at.url);
  const stream = frames(await client.get());
  await Promise.all(Array.from({ length: 10 }, (_, i) => client.call('progress', { count: i })));
  await client.call('later', { method: 'notifications/tools/list_changed', ms: 1 });
  // Progress may come there, where its call is answered as JSON.
  for (;;) {
    const { method, result } = await nextMessage(stream);
    assert.equal(result, undefined);
    if (method === 'notifications/tools/list_changed') break;
    assert.equal(method, 'notifications/progress');
  }
});

test('TR-18: session ids are 192 random bits in visible ASCII', async () => {
  await using at = await bridged({ config: { isolation: 'caller' }, limits: { sessionsPerCaller: 300 } });
  const user = { 'x-test-user': 'a' };
  const ids = await Promise.all(
    Array.from({ length: 200 }, async () => (await initialized(at.url, user)).headers['mcp-session-id'] ?? ''),
  );
  assert.equal(new Set(ids).size, 200);
  assert.ok(ids.every((id) => /^[\w-]{32}$/.test(id)));
  // Of 256 letters in each place none is there more often than chance allows.
  for (let place = 0; place < 32; place++) assert.ok(new Set(ids.map((id) => id[place])).size > 32);
});

test('TR-23, ST-08: a server that settles on 2024-11-05 is taken at its word, with that version in the header or none', async () => {
  await using at = await bridged({ args: ['--version=2024-11-05'] });
  const client = await initialized(at.url);
  for (const version of ['2024-11-05', '2025-03-26']) {
    client.headers['mcp-protocol-version'] = version;
    assert.equal(await client.call('echo', { text: version }), version);
  }
  delete client.headers['mcp-protocol-version'];
  assert.equal(await client.call('echo', { text: 'none' }), 'none');
});

test('TR-40: a header that names an allowed tool lets no other one pass, in a revision whose headers nobody compares', async () => {
  await using at = await bridged({ config: { tools: { deny: ['pid'] } } });
  const client = await initialized(at.url);
  const response = await client.post(call('pid'), { 'mcp-name': 'echo', 'mcp-method': 'tools/call' });
  assert.match(await response.text(), /Unknown tool: pid/);
});

test('TR-47: requests of the modern era need no order and no connection', async () => {
  await using at = await bridged({ config: { args: [modernScript] } });
  const client = modernClient(at.url);
  const fresh = { headers: { connection: 'close' } };
  const first = await client.call('echo', { text: 'before discovery' }, fresh);
  const discovered = await client.request({ method: 'server/discover', ...fresh });
  const listed = await client.request({ method: 'tools/list', ...fresh });
  assert.ok([first, discovered, listed].every(({ status }) => status === 200));
});

test('TR-48: where no revision is served in common, the error names those that the server speaks', async () => {
  await using at = await bridged({ config: { args: [modernScript, '--future'] } });
  const { status, error } = await modernClient(at.url).request({ method: 'tools/list' });
  assert.equal(status, 502);
  assert.match(error?.message ?? '', /2099-01-01/);
});

test('ST-07: a server hears initialize, then that it is done, then the rest', async () => {
  await using at = await bridged();
  const client = await initialized(at.url);
  await client.request('tools/list');
  const seen = JSON.parse(await client.call('seen')) as { method: string }[];
  assert.deepEqual(
    seen.map(({ method }) => method),
    ['initialize', 'notifications/initialized', 'tools/list'],
  );
});

test('ST-09: initialize is never cancelled, whatever becomes of the client', async () => {
  await using at = await bridged({ args: ['--mute'], config: { isolation: 'shared' } });
  const leave = new AbortController();
  const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params: initializeParams() };
  const left = mcpClient(at.url).post(initialize, {}, leave.signal);
  await eventually('it starts', () => at.bridge.status().children.length === 1);
  leave.abort();
  await assert.rejects(left);
  const pid = at.bridge.status().children[0]?.pid;
  assert.ok(pid, 'the server is still being initialized for whoever comes next');
});

test('ST-11: what a server asks goes to the session that it belongs to alone', async () => {
  await using at = await bridged();
  const [a, b] = [await initialized(at.url), await initialized(at.url)];
  const other = frames(await b.get());
  const stream = frames(await a.post(call('ask', { method: 'roots/list' })));
  const { id } = await nextMessage(stream);
  assert.equal((await b.post({ jsonrpc: '2.0', id, result: { roots: ['of another session'] } })).status, 202);
  assert.equal((await a.post({ jsonrpc: '2.0', id, result: { roots: [] } })).status, 202);
  assert.deepEqual(JSON.stringify((await nextMessage(stream)).result).includes('of another'), false);
  await b.call('later', { method: 'notifications/tools/list_changed', ms: 1 });
  assert.equal((await nextMessage(other)).method, 'notifications/tools/list_changed', 'the question was not there');
});

test('ST-11: where the client listens nowhere, the server that asks gets an error and the call its answer', async () => {
  await using at = await bridged({ limits: { stalled: 0.2, keepAlive: 0.1 } });
  const client = await initialized(at.url);
  const response = await client.post(call('ask', { method: 'roots/list' }), { accept: 'application/json' });
  assert.equal(response.status, 200);
  assert.match(await response.text(), /does not listen/);
});

test('ST-19: no server ever sees the token of its caller', async () => {
  await using at = await bridged();
  const client = await initialized(at.url, { authorization: 'Bearer very-secret', cookie: 'a=very-secret' });
  for (const tool of ['env', 'argv', 'line', 'seen']) assert.doesNotMatch(await client.call(tool), /very-secret/);
});

test('TR-12: a stream ends with the answer that it was for', async () => {
  await using at = await bridged();
  const client = await initialized(at.url);
  const all = await allFrames(await client.post(call('log', {}, 9)));
  assert.equal(all.at(-1)?.message?.id, 9);
});
