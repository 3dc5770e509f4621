import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silent } from '../../src/log.ts';
import { type Child, startChild } from '../../src/mcp/child.ts';
import { type Notification, type Request, type Response, readBody } from '../../src/mcp/message.ts';
import { modernChild } from '../../src/mcp/modern-child.ts';
import { metaKey } from '../../src/mcp/modern-revision.ts';
import type { ModernServer } from '../../src/mcp/modern-server.ts';
import { ownMeta, probe } from '../../src/mcp/probe.ts';
import { openReaper } from '../../src/mcp/reaper.ts';
import { modernScript } from '../support/modern-client.ts';

async function launch(...args: string[]) {
  const reaper = openReaper(silent);
  const command = { command: process.execPath, args: args.length > 0 ? args : [modernScript], env: {} };
  const child = await startChild(command, { log: silent, reaper, message: 1e6, grace: 0.2, silence: 10 });
  return {
    child,
    async [Symbol.asyncDispose]() {
      await child.end();
      await reaper[Symbol.asyncDispose]();
    },
  };
}

async function started(child: Child): Promise<ModernServer> {
  const verdict = await probe(child, 10);
  assert.equal(verdict.era, 'modern');
  assert.ok(verdict.era === 'modern');
  return modernChild({ child, discovered: verdict.discovered, log: silent, ended: () => {} });
}

function request(text: string): Request {
  const [message] = readBody(Buffer.from(text)).messages;
  assert.ok(message?.kind === 'request');
  return message;
}

function open(server: ModernServer, id: string, method: string, params: object, owner = 'a', more: object = {}) {
  const said: Notification[] = [];
  const { promise, resolve } = Promise.withResolvers<{ response: Response; status: number | undefined }>();
  const heard = Promise.withResolvers<Notification>();
  const body = JSON.stringify({ ...params, _meta: { ...ownMeta, ...more } });
  const call = server.call(
    request(`{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${body}}`),
    {
      notify(message) {
        said.push(message);
        heard.resolve(message);
      },
      respond: (response, status) => resolve({ response, status }),
    },
    { owner },
  );
  return { said, done: promise, first: heard.promise, cancel: call.cancel };
}

const tool = (server: ModernServer, id: string, name: string, args: object = {}, owner = 'a', more: object = {}) =>
  open(server, id, 'tools/call', { name, arguments: args }, owner, more);

test('TR-43: equal ids of several callers stay apart and go back as they were written', async () => {
  await using at = await launch();
  const server = await started(at.child);
  const ids = ['1', '"1"', '1.0', '9007199254740993123', '"ü"', '1'];
  const answers = await Promise.all(ids.map((id, i) => tool(server, id, 'echo', { text: `t${i}` }).done));
  answers.forEach(({ response }, i) => {
    assert.ok(response.bytes.toString().includes(`"id":${ids[i]},`), response.bytes.toString());
    assert.ok(response.bytes.toString().includes(`"t${i}"`));
  });
  assert.equal(server.idle(), true);
});

test('TR-44: equal progress tokens reach the call they belong to, with the type the client chose', async () => {
  await using at = await launch();
  const server = await started(at.child);
  const calls = [3, 5].map((count) => tool(server, '7', 'progress', { count }, 'a', { progressToken: 'p' }));
  await Promise.all(calls.map(({ done }) => done));
  assert.deepEqual(
    calls.map(({ said }) => said.length),
    [3, 5],
  );
  assert.ok(calls[1]?.said.every(({ params, bytes }) => params.progressToken === 'p' && bytes.includes('"p"')));
});

test("TR-14, ST-13: a cancellation carries the child's id, and what comes later reaches nobody", async () => {
  await using at = await launch();
  const server = await started(at.child);
  const hung = tool(server, '"mine"', 'hang', { key: 1 });
  hung.cancel('gone');
  let answered = false;
  void hung.done.then(() => {
    answered = true;
  });
  await tool(server, '2', 'release', { key: 1 }).done;
  const { response } = await tool(server, '3', 'heard').done;
  assert.match(response.bytes.toString(), /notifications\/cancelled\\",\\"requestId\\":1}/);
  assert.equal(answered, false);
});

test('TR-33: log lines go to the caller who asked for them, and to nobody where several did', async () => {
  await using at = await launch();
  const server = await started(at.child);
  const logs = { [metaKey.logLevel]: 'info' };
  const silentOne = tool(server, '1', 'log', { text: 'x' });
  await silentOne.done;
  assert.equal(silentOne.said.length, 0, 'did not ask');
  const one = tool(server, '2', 'log', { text: 'x' }, 'a', logs);
  await one.done;
  assert.equal(one.said.length, 1);
  const other = tool(server, '3', 'hang', { key: 2 }, 'b', logs);
  const two = tool(server, '4', 'log', { text: 'secret' }, 'a', logs);
  await two.done;
  assert.deepEqual([two.said.length, other.said.length], [0, 0], 'of two callers it cannot be told');
  other.cancel('done');
});

test('TR-34, ST-14: events of two subscriptions stay apart and carry the id of the client', async () => {
  await using at = await launch();
  const server = await started(at.child);
  const tools = open(server, '"t"', 'subscriptions/listen', { notifications: { toolsListChanged: true } });
  const prompts = open(server, '1', 'subscriptions/listen', { notifications: { promptsListChanged: true } }, 'b');
  assert.equal((await tools.first).method, 'notifications/subscriptions/acknowledged');
  await prompts.first;
  await tool(server, '2', 'change', { list: 'prompts' }).done;
  assert.equal(tools.said.length, 1, 'silent about what it did not ask for');
  assert.deepEqual(
    prompts.said.map(({ params }) => (params._meta as Record<string, unknown>)[metaKey.subscriptionId]),
    [1, 1],
  );
  for (const end of ['result', 'cancelled']) {
    const listener = open(server, '"again"', 'subscriptions/listen', { notifications: {} });
    await listener.first;
    await tool(server, '3', 'change', { list: 'tools', end }).done;
    const { response } = await listener.done;
    assert.match(response.bytes.toString(), /"id":"again","result":.*subscriptionId":"again"/, end);
  }
});

test('ST-06, ST-15: when the child dies its calls fail with 502, and subscriptions end with a result', async () => {
  await using at = await launch();
  const server = await started(at.child);
  const listener = open(server, '"l"', 'subscriptions/listen', { notifications: {} });
  await listener.first;
  const hung = tool(server, '8', 'hang', { key: 1 });
  const exit = tool(server, '9', 'exit');
  for (const { done } of [hung, exit]) {
    const { response, status } = await done;
    assert.deepEqual([(response.error as { code: number }).code, status], [-32603, 502]);
  }
  assert.match((await listener.done).response.bytes.toString(), /"resultType":"complete"/);
  assert.equal(server.over(), true);
  assert.equal((await tool(server, '10', 'echo').done).status, 502, 'one that comes too late fails at once');
});

test('ST-12, TR-32: a request of a modern server is answered by nobody', async () => {
  await using at = await launch();
  const server = await started(at.child);
  const asked = tool(server, '1', 'ask');
  await asked.done;
  const { response } = await tool(server, '2', 'heard').done;
  assert.deepEqual([asked.said.length, response.bytes.includes('\\"id\\":\\"q\\"')], [0, false]);
});

test('ST-17: only a discovery or -32022 means modern; any other answer, silence or exit means legacy', async () => {
  const answer = (json: string) => [
    '-e',
    `process.stdin.once('data', () => console.log('{"jsonrpc":"2.0","id":"discover",${json}}'))`,
  ];
  const error = (code: number, data = '{}') => answer(`"error":{"code":${code},"message":"no","data":${data}}`);
  const cases: readonly [readonly string[], object][] = [
    [error(-32601), { era: 'legacy', usable: true }],
    [error(-32602), { era: 'legacy', usable: true }],
    [error(-32000), { era: 'legacy', usable: true }],
    [answer('"result":{}'), { era: 'legacy', usable: true }],
    [['-e', 'process.exit(1)'], { era: 'legacy', usable: false }],
    [['-e', 'process.stdin.resume()'], { era: 'legacy', usable: false }],
    [error(-32022, '{"supported":["2099-01-01"]}'), { era: 'unknown', versions: ['2099-01-01'] }],
    [[modernScript, '--future'], { era: 'unknown', versions: ['2099-01-01'] }],
  ];
  await Promise.all(
    cases.map(async ([args, expected]) => {
      await using at = await launch(...args);
      assert.deepEqual(await probe(at.child, args[1]?.includes('resume') ? 0.1 : 10), expected, args.join(' '));
    }),
  );
});
