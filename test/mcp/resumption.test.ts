/** MCP 2025-11-25 transports, "Resumability and Redelivery", over connections that break in the middle of a call. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { overheard, silent } from '../../src/log.ts';
import { breakable } from '../support/breakable.ts';
import { bridged } from '../support/bridged.ts';
import { type Frame, frames, initialized, type McpClient, nextMessage } from '../support/mcp-client.ts';

const call = (name: string, args: object, id: string | number) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args, _meta: { progressToken: id } },
});

/** Takes so many frames, or all until the stream ends or breaks. */
async function take(response: Response, count = Number.POSITIVE_INFINITY): Promise<Frame[]> {
  const taken: Frame[] = [];
  const stream = frames(response);
  while (taken.length < count) {
    const next = await stream.next().catch(() => undefined);
    if (next === undefined || next.done) break;
    taken.push(next.value);
  }
  return taken;
}

/** As every client does, until there is a connection again: those that were kept open broke too. */
async function resume(client: McpClient, from: Frame | undefined): Promise<Response> {
  const id = from?.id ?? assert.fail('no event to resume after');
  for (;;) {
    const response = await client.get({ 'last-event-id': id }).catch(() => undefined);
    if (response) return response;
  }
}

const messages = (taken: readonly Frame[]) => taken.flatMap(({ message }) => message ?? []);
const steps = (taken: readonly Frame[]) =>
  messages(taken).flatMap(({ params }) => (params?.progress === undefined ? [] : [Number(params.progress)]));
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

test('a call whose connection is cut again and again: everything comes exactly once, in order, and the answer last', async () => {
  await using at = await bridged();
  await using way = await breakable(at.url);
  const client = await initialized(way.url);
  let response = await client.post(call('progress', { count: 60, ms: 5 }, 'long'));
  const taken: Frame[] = [];
  for (let cuts = 0; taken.at(-1)?.message?.id !== 'long'; cuts++) {
    taken.push(...(await take(response, cuts < 4 ? 12 : undefined)));
    if (taken.at(-1)?.message?.id === 'long') break;
    way.cut();
    response = await resume(client, taken.at(-1));
    assert.equal(response.status, 200);
  }
  assert.deepEqual(steps(taken), upTo(60));
  assert.equal(messages(taken).length, 61);
  const ids = taken.filter(({ message }) => message).map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
});

test('a call that says nothing is primed, so that its answer can be fetched after the connection is lost', async () => {
  await using at = await bridged({ limits: { streamAfter: 0.05 } });
  await using way = await breakable(at.url);
  const client = await initialized(way.url);
  const [primer] = await take(await client.post(call('sleep', { ms: 400 }, 1)), 1);
  assert.equal(primer?.data, '');
  way.cut();
  assert.deepEqual(
    messages(await take(await resume(client, primer))).map(({ id }) => id),
    [1],
  );
  assert.deepEqual(
    messages(await take(await resume(client, primer))).map(({ id }) => id),
    [1],
    'also when this answer is lost',
  );
});

test('TR-17: each stream resumes what was on it, and nothing of another', async () => {
  await using at = await bridged();
  await using way = await breakable(at.url);
  const client = await initialized(way.url);
  const both = await Promise.all(['a', 'b'].map((id) => client.post(call('progress', { count: 20, ms: 10 }, id))));
  const begun = await Promise.all(both.map((response) => take(response, 3)));
  way.cut();
  const rest = await Promise.all(begun.map(async (taken) => take(await resume(client, taken.at(-1)))));
  for (const [i, id] of ['a', 'b'].entries()) {
    const all = [...(begun[i] ?? []), ...(rest[i] ?? [])];
    assert.deepEqual(steps(all), upTo(20));
    assert.ok(messages(all).every((message) => (message.params?.progressToken ?? message.id) === id));
  }
});

test('a connection that went silent is taken over: the gateway ends the former one and leaves out nothing', async () => {
  await using at = await bridged();
  await using way = await breakable(at.url);
  const client = await initialized(way.url);
  const taken = await take(await client.post(call('progress', { count: 40, ms: 10 }, 'long')), 5);
  way.silence();
  client.headers['last-event-id'] = taken.at(-1)?.id ?? '';
  const again = await fetch(at.url, { headers: { ...client.headers, accept: 'text/event-stream' } });
  assert.deepEqual(steps([...taken, ...(await take(again))]), upTo(40));
});

test('what belongs to no call is kept while nobody listens, and comes once to whoever resumes', async () => {
  await using at = await bridged();
  await using way = await breakable(at.url);
  const client = await initialized(way.url);
  const change = (what: string, ms: number) =>
    client.call('later', { method: `notifications/${what}/list_changed`, ms });
  const standing = await client.get();
  await change('tools', 1);
  const first = await take(standing, 2);
  await change('prompts', 50);
  await change('resources', 60);
  way.cut();
  const second = frames(await resume(client, first.at(-1)));
  const heard = [...messages(first), await nextMessage(second), await nextMessage(second)].map(({ method }) => method);
  assert.deepEqual(
    heard,
    ['tools', 'prompts', 'resources'].map((what) => `notifications/${what}/list_changed`),
  );
});

test('what is kept has a bound: of more than that the newest comes, and the answer', async () => {
  const { promise: written, resolve } = Promise.withResolvers<void>();
  const log = overheard(silent, (_level, _event, { line }) => void (line === 'wrote 40' && resolve()));
  await using at = await bridged({ log, limits: { eventLog: 300_000 }, config: { isolation: 'caller' } });
  const user = { 'x-test-user': 'a' };
  const other = await initialized(at.url, user);
  await using way = await breakable(at.url);
  const client = await initialized(way.url, user);
  const [primer, first] = await take(await client.post(call('flood', { count: 40, bytes: 50_000 }, 'f')), 2);
  assert.ok(first?.message);
  way.cut();
  await written;
  assert.equal(await other.call('echo', { text: 'all has been said' }), 'all has been said');
  const rest = messages(await take(await resume(client, primer)));
  const numbers = rest.flatMap(({ params }) => (params?.logger === undefined ? [] : [Number(params.logger)]));
  assert.ok(numbers.length > 0 && numbers.length < 10, `${numbers.length} of 40`);
  assert.deepEqual(numbers, upTo(40).slice(-numbers.length));
  assert.equal(rest.at(-1)?.id, 'f');
});

const reconnectionOptions = {
  initialReconnectionDelay: 10,
  maxReconnectionDelay: 50,
  reconnectionDelayGrowFactor: 1,
  maxRetries: 100,
};
const about = { name: 'resumes', version: '1' };
/** Each calls the tool and tells of its progress. */
const sdks = {
  async v1(url: URL, args: Record<string, unknown>, onprogress: (step: { progress: number }) => void) {
    const client = new Client(about);
    await client.connect(new StreamableHTTPClientTransport(url, { reconnectionOptions }) as Transport);
    const answer = await client.callTool({ name: 'progress', arguments: args }, undefined, { onprogress });
    await client.close();
    return answer;
  },
  async v2(url: URL, args: Record<string, unknown>, onprogress: (step: { progress: number }) => void) {
    const client = new ClientV2(about);
    await client.connect(new TransportV2(url, { reconnectionOptions }));
    const answer = await client.callTool({ name: 'progress', arguments: args }, { onprogress });
    await client.close();
    return answer;
  },
};

for (const [sdk, call] of Object.entries(sdks)) {
  test(`the client of SDK ${sdk} resumes a long call by itself`, async () => {
    await using at = await bridged();
    await using way = await breakable(at.url);
    const seen: number[] = [];
    const answer = await call(new URL(way.url), { count: 35, ms: 10 }, ({ progress }) => {
      seen.push(progress);
      if (progress % 10 === 0) way.cut();
    });
    assert.deepEqual(answer.content, [{ type: 'text', text: '35 steps' }]);
    assert.deepEqual(seen, upTo(35));
  });
}
