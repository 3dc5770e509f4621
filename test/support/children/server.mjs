// An MCP server over stdio that does what its caller asks for, also what no server should do.

import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fork, freeze, noise } from './misbehaviour.mjs';

const options = new Set(process.argv.slice(2));
const version = [...options].find((option) => option.startsWith('--version='))?.slice(10);
const pending = new Map();
const seen = [];
let asked = 0;
let level = 'none';

const say = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const text = (value) => ({
  content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }],
});
const ask = (method, params) =>
  new Promise((resolve) => {
    const id = `s${++asked}`;
    pending.set(id, resolve);
    say({ id, method, params });
  });

if (options.has('--exit')) {
  process.stderr.write('cannot find my configuration\n');
  process.exit(3);
}
if (options.has('--banner')) process.stdout.write('Welcome to the server!\n{"level":"info","msg":"starting"}\n');
if (options.has('--garbage')) setInterval(() => process.stdout.write('lorem ipsum\n'.repeat(500)), 5);
if (options.has('--deaf')) process.on('SIGTERM', () => {});
if (options.has('--stay')) setInterval(() => {}, 1000);
if (options.has('--ping')) {
  void ask('ping').then(() => {
    level = 'ponged';
  });
}

const later = (ms, act) => {
  setTimeout(act, ms);
  return text('later');
};
const tell = (method, params) => {
  say({ method, params });
  return text('told');
};
const never = () => new Promise(() => {});

const tools = {
  echo: ({ text: said }) => text(said ?? ''),
  sleep: ({ ms }) => delay(ms, text(`slept ${ms}`)),
  pid: () => text(String(process.pid)),
  env: () => text(process.env),
  argv: () => text(process.argv.slice(2)),
  cwd: () => text(process.cwd()),
  seen: () => text(seen),
  level: () => text(level),
  progress: async ({ count, ms = 0 }, { progressToken }) => {
    for (let i = 1; i <= count; i++) {
      say({ method: 'notifications/progress', params: { progressToken, progress: i, total: count } });
      await delay(ms);
    }
    return text(`${count} steps`);
  },
  log: ({ text: data, level: at = 'info' }) => tell('notifications/message', { level: at, data }),
  notify: ({ method, params }) => tell(method, params),
  later: ({ method, params, ms }) => later(ms, () => say({ method, params })),
  ask: async ({ method, params = {} }) => text(await ask(method, params)),
  'ask-later': ({ method, params = {}, ms = 0 }) =>
    later(ms, () => void ask(method, params).then((said) => seen.push(said))),
  never,
  exit: ({ code = 0 }) => process.exit(code),
  crash: () => {
    process.stderr.write('about to fall\n');
    process.kill(process.pid, 'SIGKILL');
    return never();
  },
  big: ({ bytes }) => text('x'.repeat(bytes)),
  stderr: ({ count }) => {
    process.stderr.write('a line of noise\n'.repeat(count));
    return text('noise');
  },
  // Waits for its reader, and stderr says how far it has come, in fewer lines a second than are logged.
  flood: async ({ count, bytes }) => {
    const data = 'x'.repeat(bytes);
    for (let i = 1; i <= count; i++) {
      const room = say({ method: 'notifications/message', params: { level: 'info', logger: String(i), data } });
      if (!room) await once(process.stdout, 'drain');
      if (i % 10 === 0) process.stderr.write(`wrote ${i}\n`);
    }
    return text('flooded');
  },
  close: () => {
    process.stdout.end();
    return never();
  },
  unknown: () => {
    say({ id: 'nobody', result: {} });
    return text('answered nobody');
  },
  fork: async ({ deaf }) => text(await fork(deaf)),
  freeze,
  noise: ({ count }) => {
    noise(count);
    return text('noise');
  },
};

async function answer(message, line) {
  const { id, method, params = {} } = message;
  if (method === undefined) {
    pending.get(id)?.(message.result ?? message.error);
    pending.delete(id);
    return;
  }
  if (method !== 'tools/call') seen.push(id === undefined ? { method, params } : { id, method });
  if (id === undefined) return;
  if (method === 'initialize') {
    if (options.has('--mute') || options.has('--garbage')) return;
    if (options.has('--refuse')) return say({ id, error: { code: -32603, message: 'not today' } });
    const capabilities = {
      tools: { listChanged: true },
      resources: { subscribe: true },
      logging: {},
      tasks: { list: {} },
    };
    const serverInfo = { name: 'test', version: '1' };
    return say({
      id,
      result: { protocolVersion: version ?? params.protocolVersion, capabilities, serverInfo, big: 1 },
    });
  }
  if (method === 'logging/setLevel') level = params.level;
  if (method === 'tools/list')
    return say({
      id,
      result: { tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: 'object' } })) },
    });
  if (method !== 'tools/call') return say({ id, result: {} });
  const { name, arguments: args = {}, _meta: meta = {} } = params;
  if (name === 'line') return say({ id, result: text(line) });
  if (name === 'twice') say({ id, result: text('once') });
  if (name === 'raw') return writeSync(1, `${args.line.replaceAll('$id', JSON.stringify(id))}\n`);
  if (name === 'split') return slowly(`${JSON.stringify({ jsonrpc: '2.0', id, result: text('Grüße – 世界 – 🚀') })}\n`);
  const tool = tools[name];
  if (!tool) return say({ id, error: { code: -32602, message: `Unknown tool: ${name}` } });
  say({ id, result: await tool(args, meta) });
}

/** Byte by byte, so that every character is split. */
async function slowly(line) {
  for (const byte of Buffer.from(line)) {
    process.stdout.write(Buffer.from([byte]));
    await delay(0);
  }
}

const input = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
input.on('line', (line) => {
  if (line.trim() === '') return;
  try {
    const message = JSON.parse(line);
    answer(message, line).catch((error) => say({ id: message.id, error: { code: -32603, message: String(error) } }));
  } catch (error) {
    say({ id: null, error: { code: -32700, message: String(error) } });
  }
});
input.on('close', () => {
  if (!options.has('--stay')) process.exit(0);
});
