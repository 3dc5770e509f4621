import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { alive, type Bridged, type BridgedOptions, bridged, eventually } from '../support/bridged.ts';
import { type Frame, frames, initializeParams, nextMessage, textOf } from '../support/mcp-client.ts';
import { modernScript } from '../support/modern-client.ts';
import { serve } from '../support/serve.ts';

interface Open extends AsyncDisposable {
  readonly url: string;
  readonly at: Bridged;
}

async function open(options: BridgedOptions = {}): Promise<Open> {
  const at = await bridged(options);
  const served = await serve(at.bridge.sse);
  return {
    url: `${served.url}/test/sse`,
    at,
    async [Symbol.asyncDispose]() {
      await at[Symbol.asyncDispose]();
      await served[Symbol.asyncDispose]();
    },
  };
}

const accept = 'text/event-stream';

async function stream(url: string, headers: Record<string, string> = {}) {
  const hangUp = new AbortController();
  const events = frames(await fetch(url, { headers: { accept, ...headers }, signal: hangUp.signal }));
  const first = (await events.next()).value as Frame;
  assert.equal(first.event, 'endpoint');
  const endpoint = new URL(first.data, url).href;
  const post = (body: unknown, more: Record<string, string> = {}) =>
    fetch(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers, ...more },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  return { events, endpoint, post, hangUp: () => hangUp.abort() };
}

async function handshake({ post, events }: Awaited<ReturnType<typeof stream>>): Promise<void> {
  const params = initializeParams('2024-11-05');
  assert.equal((await post({ jsonrpc: '2.0', id: 0, method: 'initialize', params })).status, 202);
  assert.equal((await nextMessage(events)).result?.protocolVersion, '2024-11-05');
  assert.equal((await post({ jsonrpc: '2.0', method: 'notifications/initialized' })).status, 202);
}

const call = (name: string, args: object = {}, id = 1) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});

test('2024-11-05 HTTP with SSE: the SDK’s client of that transport connects, calls and leaves; its child ends', async () => {
  await using at = await open();
  const client = new Client({ name: 'old', version: '1' });
  const transport = new SSEClientTransport(new URL(at.url));
  await client.connect(transport as Transport);
  const { content } = await client.callTool({ name: 'pid', arguments: {} });
  const pid = Number(textOf({ content }));
  assert.ok(alive(pid));
  const many = Array.from({ length: 20 }, (_, i) => client.callTool({ name: 'echo', arguments: { text: `nr ${i}` } }));
  assert.deepEqual(
    (await Promise.all(many)).map((result) => textOf(result)),
    many.map((_, i) => `nr ${i}`),
  );
  await client.close();
  await eventually('the child is gone', () => !alive(pid));
  assert.equal(at.at.bridge.status().sessions, 0);
});

test('2024-11-05 HTTP with SSE: the first event names the address, answers come on the stream as they are', async () => {
  await using at = await open();
  const one = await stream(at.url);
  await handshake(one);
  assert.equal((await one.post(call('echo', { text: 'grüße' }))).status, 202);
  assert.equal(textOf((await nextMessage(one.events)).result), 'grüße');
  one.hangUp();
});

test('a modern server is reached by the transport of 2024-11-05 too', async () => {
  await using at = await open({ config: { args: [modernScript] } });
  const one = await stream(at.url);
  await handshake(one);
  await one.post(call('echo', { text: 'a' }));
  assert.equal(textOf((await nextMessage(one.events)).result), 'a');
  one.hangUp();
});

test('each fault of a message has its status, and the session goes on', async () => {
  await using at = await open({ config: { tools: { deny: ['pid'] } }, limits: { message: 10_000 } });
  const one = await stream(at.url);
  await handshake(one);
  const faults: [body: unknown, headers: Record<string, string>, status: number][] = [
    ['{', {}, 400],
    ['[]', {}, 400],
    [[call('echo')], {}, 400],
    [{ id: 1 }, {}, 400],
    [call('echo'), { 'content-type': 'text/plain' }, 415],
    [call('echo', { text: 'x'.repeat(20_000) }), {}, 413],
    ['{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","Name":"pid"}}', {}, 400],
  ];
  for (const [body, headers, status] of faults) assert.equal((await one.post(body, headers)).status, status);
  assert.equal((await one.post(call('pid'))).status, 202);
  assert.equal((await nextMessage(one.events)).error?.code, -32602, 'a tool that is denied');
  await one.post(call('echo', { text: 'still here' }, 2));
  assert.equal(textOf((await nextMessage(one.events)).result), 'still here');
  assert.equal((await fetch(at.url, { method: 'POST' })).status, 400, 'without an id');
  assert.equal((await fetch(at.url, { method: 'DELETE' })).status, 405);
  assert.equal((await fetch(at.url, { headers: { accept: 'application/json' } })).status, 406);
  one.hangUp();
});

test('a session is its caller’s alone, and over when its stream is', async () => {
  await using at = await open();
  const one = await stream(at.url, { 'x-test-user': 'alice' });
  await handshake(one);
  assert.equal((await one.post(call('pid'), { 'x-test-user': 'bob' })).status, 404);
  one.hangUp();
  await eventually('the session is gone', () => at.at.bridge.status().sessions === 0);
  assert.equal((await one.post(call('pid'))).status, 404);
});

test('ST-06: when the server dies the calls fail on the stream, and the stream ends', async () => {
  await using at = await open();
  const one = await stream(at.url);
  await handshake(one);
  await one.post(call('pid'));
  const pid = Number(textOf((await nextMessage(one.events)).result));
  await one.post(call('sleep', { ms: 60_000 }, 2));
  process.kill(pid, 'SIGKILL');
  const failed = await nextMessage(one.events);
  assert.equal(failed.id, 2);
  assert.ok(failed.error);
  assert.equal((await one.events.next()).done, true);
});
