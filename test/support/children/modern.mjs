// A server of 2026-07-28 by hand, so that tests see every line. `--legacy` makes it speak the former revisions instead.
import { createInterface } from 'node:readline';
import { fork, freeze, noise } from './misbehaviour.mjs';

const version = 'io.modelcontextprotocol/protocolVersion';
const subscriptionId = 'io.modelcontextprotocol/subscriptionId';
const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const said = (text) => ({ resultType: 'complete', content: [{ type: 'text', text }] });
const heard = [];
const waiting = new Map();
const listening = new Map();
const flags = new Set(process.argv.slice(2));
if (flags.has('--deaf')) process.on('SIGTERM', () => {});
if (flags.has('--stay')) setInterval(() => {}, 1000);

const tools = [
  'echo',
  'pid',
  'heard',
  'hang',
  'progress',
  'log',
  'exit',
  'ask',
  'release',
  'change',
  'line',
  'task',
  'ask_state',
  'late',
  'inquire',
  'touch',
  'meta',
  'big',
  'crash',
  'fork',
  'freeze',
  'never',
  'noise',
  'stderr',
  'twice',
  'unknown',
].map((name) => ({ name, inputSchema: { type: 'object' } }));
tools.push({
  name: 'mirrored',
  inputSchema: {
    type: 'object',
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      count: { type: 'integer', 'x-mcp-header': 'Count' },
      deep: { type: 'object', properties: { flag: { type: 'boolean', 'x-mcp-header': 'Flag' } } },
    },
  },
});

const call = {
  echo: ({ text }) => said(String(text)),
  mirrored: (args) => said(JSON.stringify(args)),
  pid: () => said(String(process.pid)),
  heard: () => said(JSON.stringify(heard)),
  exit: () => process.exit(3),
  line: (_args, _id, _params, line) => said(line),
  task: () => ({
    resultType: 'task',
    taskId: 't1',
    status: 'working',
    createdAt: '2026-01-01T00:00:00Z',
    ttlMs: 60000,
  }),
  // Trusts whoever brings its state, as a server that knows no callers has to.
  ask_state: (_args, _id, { requestState }) =>
    requestState === undefined ? { resultType: 'input_required', requestState: 'plain "state" ü' } : said(requestState),
  meta: (_args, _id, params) => said(JSON.stringify(params._meta)),
  // Questions until there are answers to all; what came back is the result.
  inquire({ rounds = [] }, _id, { inputResponses, requestState }) {
    const done = Number(requestState?.split(' ')[1] ?? 0) + (inputResponses ? 1 : 0);
    if (done >= rounds.length) return said(JSON.stringify({ inputResponses, requestState }));
    return { resultType: 'input_required', inputRequests: rounds[done], requestState: `état\u0001 ${done}` };
  },
  touch({ uri }) {
    for (const [id, { resourceSubscriptions = [] }] of listening) {
      const params = { uri, _meta: { [subscriptionId]: id, kept: 1 } };
      if (resourceSubscriptions.includes(uri)) send({ method: 'notifications/resources/updated', params });
    }
    return said('touched');
  },
  hang(args, id) {
    waiting.set(String(args.key), id);
  },
  release({ key }) {
    send({ id: waiting.get(String(key)), result: said('released') });
    return said('ok');
  },
  progress({ count }, _id, params) {
    const progressToken = params._meta?.progressToken;
    for (let i = 0; i < count; i++) send({ method: 'notifications/progress', params: { progressToken, progress: i } });
    return said('done');
  },
  log({ text }) {
    send({ method: 'notifications/message', params: { level: 'info', data: text } });
    return said('logged');
  },
  big: ({ bytes }) => said('x'.repeat(bytes)),
  crash: () => process.kill(process.pid, 'SIGKILL'),
  fork: async ({ deaf }) => said(await fork(deaf)),
  freeze,
  never() {},
  noise({ count }) {
    noise(count);
    return said('noise');
  },
  stderr({ count }) {
    process.stderr.write('a line of noise\n'.repeat(count));
    return said('noise');
  },
  twice(_args, id) {
    send({ id, result: said('once') });
    return said('again');
  },
  unknown() {
    send({ id: 'nobody', result: said('who is there?') });
    send({ id: 1e6, result: said('who is there?') });
    return said('answered nobody');
  },
  ask() {
    send({ id: 'q', method: 'roots/list' });
    return said('asked');
  },
  change({ list, end }) {
    for (const [id, filter] of listening) {
      const _meta = { [subscriptionId]: id };
      if (filter[`${list}ListChanged`]) send({ method: `notifications/${list}/list_changed`, params: { _meta } });
      if (end === 'result') send({ id, result: { resultType: 'complete', _meta } });
      if (end === 'cancelled') send({ method: 'notifications/cancelled', params: { requestId: id } });
      if (end) listening.delete(id);
    }
    return said('changed');
  },
};

const methods = {
  'server/discover': () => ({
    resultType: 'complete',
    supportedVersions: flags.has('--future') ? ['2099-01-01'] : ['2026-07-28'],
    capabilities: {
      tools: { listChanged: true },
      logging: {},
      ...(flags.has('--resources') && { resources: { subscribe: true } }),
    },
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'by-hand', version: '1' } },
  }),
  'tools/list': () => ({ resultType: 'complete', tools, ttlMs: 0, cacheScope: 'private' }),
  'tools/call': (params, id, line) => call[params.name]?.(params.arguments ?? {}, id, params, line),
  'resources/read': ({ uri }, id) =>
    send({ id, error: { code: -32602, message: 'Resource not found', data: { uri } } }),
  'prompts/get': (_params, id) =>
    send({ id, error: { code: -32021, message: 'needs more', data: { requiredCapabilities: { sampling: {} } } } }),
  'tasks/get': ({ taskId }) => ({ resultType: 'complete', taskId, status: 'completed' }),
  'subscriptions/listen'(params, id) {
    listening.set(id, params.notifications ?? {});
    const _meta = { [subscriptionId]: id };
    send({
      method: 'notifications/subscriptions/acknowledged',
      params: { _meta, notifications: params.notifications },
    });
  },
};

createInterface({ input: process.stdin }).on('line', async (line) => {
  const message = JSON.parse(line);
  const { id, method, params = {} } = message;
  heard.push({
    id,
    method,
    ...(method === undefined && { message }),
    ...(params.requestId !== undefined && { requestId: params.requestId }),
  });
  if (id === undefined || method === undefined) return;
  const handler = methods[method];
  if (!handler) return send({ id, error: { code: -32601, message: `Method not found: ${method}` } });
  if (!params._meta?.[version]) return send({ id, error: { code: -32602, message: 'no version' } });
  const result = await handler(params, id, line);
  if (result !== undefined) send({ id, result });
});
