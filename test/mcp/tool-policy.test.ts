import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BridgedOptions, bridged } from '../support/bridged.ts';
import { initialized, type RpcMessage } from '../support/mcp-client.ts';
import { modernClient } from '../support/modern-client.ts';

const options: BridgedOptions = { config: { tools: { allow: ['echo', 'p*'], deny: ['pid'] } } };
const head = '"jsonrpc":"2.0","id":1,"method":"tools/call"';

/** Each names a tool that is allowed to one reader, and one that is denied to another. */
const smuggled: Readonly<Record<string, string>> = {
  'name twice, denied last': `{${head},"params":{"name":"echo","name":"pid"}}`,
  'name twice, denied first': `{${head},"params":{"name":"pid","name":"echo"}}`,
  'name in another case': `{${head},"params":{"name":"echo","Name":"pid"}}`,
  'name in another case, first': `{${head},"params":{"NAME":"pid","name":"echo"}}`,
  'name escaped': `{${head},"params":{"name":"echo","n\\u0061me":"pid"}}`,
  'params twice': `{${head},"params":{"name":"echo"},"params":{"name":"pid"}}`,
  'params in another case': `{${head},"params":{"name":"echo"},"Params":{"name":"pid"}}`,
  'params with the long s': `{${head},"params":{"name":"echo"},"param\u017f":{"name":"pid"}}`,
  'method twice': `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"name":"pid"},"method":"tools/call"}`,
  'method in another case': `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"name":"pid"},"Method":"tools/call"}`,
};

const errorOf = async (response: Response) => ((await response.json()) as RpcMessage).error;

test('a name cannot be smuggled past the tool policy by a member that stands there twice or in another case', async (t) => {
  await using at = await bridged(options);
  const single = await initialized(at.url);
  const batch = await initialized(at.url, {}, '2025-03-26');
  for (const [what, body] of Object.entries(smuggled)) {
    await t.test(what, async () => {
      const alone = await single.post(body);
      assert.equal(alone.status, 400);
      const fault = await errorOf(alone);
      assert.deepEqual([fault?.code, /stands there twice/.test(fault?.message ?? '')], [-32600, true]);
      const together = await batch.post(`[{"jsonrpc":"2.0","id":2,"method":"ping"},${body}]`);
      assert.equal(together.status, 400, 'nor in a batch');
    });
  }
  assert.equal(await single.call('echo', { text: 'on' }), 'on', 'the session goes on');
});

test('2025-03-26: of a batch only what is allowed is called', async () => {
  await using at = await bridged(options);
  const client = await initialized(at.url, {}, '2025-03-26');
  const call = (id: number, name: string) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name } });
  const answers = (await (
    await client.post([call(1, 'pid'), call(2, 'echo'), call(3, 'seen')])
  ).json()) as RpcMessage[];
  const codes = Object.fromEntries(answers.map(({ id, error }) => [id, error?.code]));
  assert.deepEqual(codes, { 1: -32602, 2: undefined, 3: -32602 });
});

test('2026-07-28: nor can it be smuggled in this era, with the headers of either name', async () => {
  await using at = await bridged(options);
  const client = modernClient(at.url);
  const { result } = await client.request({ method: 'tools/list' });
  const tools = (result?.tools ?? []) as { name: string }[];
  assert.deepEqual(tools.map(({ name }) => name).toSorted(), ['echo', 'progress']);
  const version = '2026-07-28';
  const meta = JSON.stringify({
    'io.modelcontextprotocol/protocolVersion': version,
    'io.modelcontextprotocol/clientCapabilities': {},
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  });
  for (const [what, body] of Object.entries(smuggled)) {
    for (const name of ['echo', 'pid']) {
      const response = await fetch(at.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': version,
          'mcp-method': 'tools/call',
          'mcp-name': name,
        },
        body: body.replaceAll(/("name":"(?:echo|pid)")\}/g, `$1,"_meta":${meta}}`),
      });
      assert.equal(response.status, 400, `${what}, header ${name}`);
      assert.match((await errorOf(response))?.message ?? '', /stands there twice/, what);
    }
  }
});

test('a pattern is no regular expression, and deny goes before allow', async () => {
  await using at = await bridged({ config: { tools: { allow: ['e.ho', 'lo*', 'late*'], deny: ['lat*'] } } });
  const client = await initialized(at.url);
  const { result } = await client.request('tools/list');
  assert.deepEqual(
    ((result?.tools ?? []) as { name: string }[]).map(({ name }) => name),
    ['log'],
  );
  for (const name of ['echo', 'later', 'LOG', 'log ', 'loge\u0301'.slice(1)]) {
    const { error } = await client.request('tools/call', { name });
    assert.equal(error?.code, -32602, name);
  }
});
