// An MCP server of either era whose tool `babble` says all kinds of things before it answers; `echo` is always right.

import { createInterface } from 'node:readline';
import { broken, mutated } from '../mutation.ts';
import { type Seeded, seeded } from '../seeded.ts';

const modern = process.argv.includes('--modern');
const send = (message: object) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const text = (said: string) => ({ ...(modern && { resultType: 'complete' }), content: [{ type: 'text', text: said }] });
const serverInfo = { name: 'babbling', version: '1' };
const capabilities = { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} };

/** What a server may say; `said` tells to whom. */
const sayings = (said: string): object[] => [
  { method: 'notifications/message', params: { level: 'info', data: said } },
  { method: 'notifications/progress', params: { progressToken: said, progress: 1, message: said } },
  { method: 'notifications/resources/updated', params: { uri: said } },
  { method: 'notifications/cancelled', params: { requestId: said, reason: said } },
  { method: 'notifications/elicitation/complete', params: { elicitationId: said } },
  { id: said, method: 'roots/list', params: {} },
  {
    id: said,
    method: 'sampling/createMessage',
    params: { messages: [{ role: 'user', content: { type: 'text', text: said } }], maxTokens: 1 },
  },
  {
    id: said,
    method: 'elicitation/create',
    params: { message: said, requestedSchema: { type: 'object', properties: {} } },
  },
  { id: said, method: 'ping' },
  { id: said, method: said, params: { said } },
  { id: said, result: { content: [], said } },
  { id: said, error: { code: -32000, message: said } },
  {
    method: 'notifications/message',
    params: { level: 'info', data: said, _meta: { 'io.modelcontextprotocol/subscriptionId': said } },
  },
];

function babble(random: Seeded, said: string, count: number): void {
  for (let i = 0; i < count; i++) {
    const message = { jsonrpc: '2.0', ...random.pick(sayings(said)) };
    const line = Buffer.from(random.below(3) === 0 ? JSON.stringify(message) : mutated(random, message));
    process.stdout.write(random.below(4) === 0 ? broken(random, line) : line);
    process.stdout.write('\n');
  }
}

const handlers: Record<string, (params: Record<string, unknown>) => unknown> = {
  initialize: ({ protocolVersion }) => (modern ? undefined : { protocolVersion, capabilities, serverInfo }),
  'server/discover': () =>
    modern
      ? { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities, ttlMs: 0, cacheScope: 'private' }
      : undefined,
  'tools/list': () => ({ ...(modern && { resultType: 'complete', ttlMs: 0, cacheScope: 'private' }), tools: [] }),
  'tools/call'({ name, arguments: args }) {
    const { said = '', seed = 0, count = 0 } = args as { said?: string; seed?: number; count?: number };
    if (name === 'babble') babble(seeded(seed), said, count);
    return text(said);
  },
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params = {} } = JSON.parse(line);
  if (id === undefined || method === undefined) return;
  try {
    const result = Object.hasOwn(handlers, method) ? handlers[method]?.(params) : undefined;
    send(result === undefined ? { id, error: { code: -32601, message: 'Method not found' } } : { id, result });
  } catch (error) {
    send({ id, error: { code: -32603, message: String(error) } });
  }
});
