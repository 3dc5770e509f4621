import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { alive, eventually } from '../support/bridged.ts';
import { everything } from '../support/everything.ts';
import { type Frame, frames, nextMessage } from '../support/mcp-client.ts';
import { modernClient } from '../support/modern-client.ts';
import { type Program, startProgram } from '../support/program.ts';

const fixture = join(import.meta.dirname, '../support/fixture/fixture.ts');
const [command, ...args] = everything;
const server = (what: string) => ({ command, args: [fixture, 'stdio', what], public: true });
const mcpServers = {
  everything: { command, args, public: true },
  legacy: server('legacy'),
  modern: server('modern'),
  dual: server('dual'),
};

type Mode = 'auto' | { pin: string };

/** A client that answers what it is asked. */
async function connected(program: Program, name: string, mode: Mode) {
  const capabilities = { elicitation: { form: {} }, sampling: {}, roots: {} };
  const client = new Client({ name: 'flow', version: '1' }, { capabilities, versionNegotiation: { mode } });
  const asked: string[] = [];
  client.setRequestHandler('elicitation/create', () => {
    asked.push('elicitation');
    return { action: 'accept', content: { name: 'Ada', username: 'ada', email: 'a@example.com' } };
  });
  client.setRequestHandler('sampling/createMessage', () => {
    asked.push('sampling');
    return { role: 'assistant', content: { type: 'text', text: 'Paris' }, model: 'm', stopReason: 'endTurn' };
  });
  client.setRequestHandler('roots/list', () => {
    asked.push('roots');
    return { roots: [{ uri: 'file:///home' }] };
  });
  await client.connect(new StreamableHTTPClientTransport(new URL(`/${name}/mcp`, program.url)));
  return { client, asked };
}

test('the SDK v2 client, pinned to 2026-07-28 or choosing itself, speaks that revision to servers of every era', async () => {
  await using program = await startProgram({ config: { mcpServers } });
  for (const name of ['legacy', 'modern', 'dual']) {
    for (const mode of ['auto', { pin: '2026-07-28' }] as const) {
      const { client, asked } = await connected(program, name, mode);
      assert.equal(client.getNegotiatedProtocolVersion(), '2026-07-28', name);
      const steps: number[] = [];
      const progress = await client.callTool(
        { name: 'test_tool_with_progress', arguments: {} },
        { onprogress: ({ progress }) => void steps.push(progress) },
      );
      assert.ok(Array.isArray(progress.content) && steps.length > 1, `${name}: progress`);
      const answer = await client.callTool({ name: 'test_input_required_result_multiple_inputs', arguments: {} });
      assert.match(JSON.stringify(answer.content), /Ada: 3 answers/);
      assert.deepEqual(asked.toSorted(), ['elicitation', 'roots', 'sampling']);
      await client.close();
    }
  }
});

test('the reference server, unmodified and of the sessions era, asks a client of 2026-07-28', async () => {
  await using program = await startProgram({ config: { mcpServers } });
  const { client, asked } = await connected(program, 'everything', { pin: '2026-07-28' });
  const { tools } = await client.listTools();
  const sum = await client.callTool({ name: 'get-sum', arguments: { a: 2, b: 40 } });
  assert.match(JSON.stringify(sum.content), /42/);
  const sampled = tools.find(({ name }) => /sampling/i.test(name) && !/async/i.test(name));
  assert.ok(sampled, 'it has a tool that samples');
  const answer = await client.callTool({
    name: sampled.name,
    arguments: { prompt: 'Capital of France?', maxTokens: 10 },
  });
  assert.match(JSON.stringify(answer.content), /Paris/);
  assert.ok(asked.includes('sampling'));
  await client.close();
});

test('a stop of the gateway ends subscriptions with a result, and every child of the modern era with it', async () => {
  await using program = await startProgram({ config: { mcpServers, log: { level: 'debug', format: 'json' } } });
  const subscriptions: AsyncGenerator<Frame>[] = [];
  for (const name of ['modern', 'legacy']) {
    const notifications = { toolsListChanged: true };
    const response = await modernClient(new URL(`/${name}/mcp`, program.url).href).post({
      id: name,
      method: 'subscriptions/listen',
      params: { notifications },
    });
    const stream = frames(response);
    assert.equal((await nextMessage(stream)).method, 'notifications/subscriptions/acknowledged');
    subscriptions.push(stream);
  }
  const pids = [...program.errors().matchAll(/"pid":(\d+)/g)].map(([, pid]) => Number(pid));
  assert.ok(pids.length >= 2, program.errors());
  assert.ok(pids.some(alive));
  const stopped = program.stop();
  for (const stream of subscriptions) assert.equal((await nextMessage(stream)).result?.resultType, 'complete');
  assert.equal(await stopped, 0);
  for (const pid of pids) await eventually('the child is gone', () => !alive(pid));
});
