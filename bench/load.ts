/** The load: requests over HTTP by wrk, calls of MCP by a C program of this directory. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import type { Running } from './process.ts';
import { program, type Workshop } from './workshop.ts';

const run = promisify(execFile);

/** One run of the load. */
export interface Loaded {
  readonly requests: number;
  readonly seconds: number;
  readonly failures: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Seconds of CPU that what was loaded used for 100,000 requests. */
  readonly cpu: number;
  /** Resident bytes right after it. */
  readonly memory: number;
}

export interface HttpLoad {
  readonly url: string;
  readonly token: string;
  readonly connections: number;
  readonly seconds: number;
}

const body = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'echo', text: 'x'.repeat(225) },
});

/** wrk with one thread and keep-alive: POST of 300 bytes. Rejects where wrk is not installed or an answer was no 200. */
export async function httpLoad(
  shop: Workshop,
  { url, token, connections, seconds }: HttpLoad,
  loaded: Running,
): Promise<Loaded> {
  const script = shop.file(
    'post.lua',
    `wrk.method = "POST"
wrk.body = '${body}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("TOKEN")
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('\\n{"requests":%d,"seconds":%f,"failures":%d,"p50":%f,"p99":%f}\\n', summary.requests,
    summary.duration / 1e6, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
`,
  );
  const words = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url];
  return measured(program('wrk') ?? 'wrk', words, loaded, { ...process.env, TOKEN: token });
}

export interface McpLoad {
  readonly port: number;
  readonly path: string;
  readonly token: string;
  readonly clients: number;
  readonly seconds: number;
  /** Bytes of text in an answer; 0 for a small one. */
  readonly size: number;
}

export interface McpLoaded extends Loaded {
  /** Milliseconds from initialize to its answer, median of the sessions. */
  readonly start: number;
}

export function mcpLoad(shop: Workshop, load: McpLoad, loaded: Running): Promise<McpLoaded> {
  const { port, path, token, clients, seconds, size } = load;
  const words = ['calls', port, path, token, clients, seconds, size].map(String);
  return measured(shop.compiled('mcp-load'), words, loaded) as Promise<McpLoaded>;
}

/** The same calls with no bridge in between. */
export function directLoad(shop: Workshop, seconds: number, command: readonly string[]): Promise<McpLoaded> {
  return measured(shop.compiled('mcp-load'), ['direct', String(seconds), ...command]) as Promise<McpLoaded>;
}

/** Sessions that are held open until the answer is disposed, with a stream in each or idle. */
export async function held(
  shop: Workshop,
  { port, path, token }: McpLoad,
  clients: number,
  how: 'streams' | 'idle',
): Promise<AsyncDisposable> {
  const words = ['hold', port, path, token, clients, how].map(String);
  const load: ChildProcess = spawn(shop.compiled('mcp-load'), words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(load, 'close');
  const [first] = await Promise.race([once(load.stdout ?? load, 'data'), ended]);
  if (!String(first).includes('open')) throw new Error('the sessions could not be opened');
  return {
    async [Symbol.asyncDispose]() {
      load.stdin?.end();
      await ended;
    },
  };
}

async function measured(
  command: string,
  words: readonly string[],
  loaded?: Running,
  env = process.env,
): Promise<Loaded> {
  const before = loaded?.cpu() ?? 0;
  const { stdout } = await run(command, [...words], { env });
  const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Omit<Loaded, 'cpu' | 'memory'>;
  if (result.failures > 0) throw new Error(`${result.failures} of ${result.requests} answers were faulty`);
  const cpu = (((loaded?.cpu() ?? 0) - before) * 100_000) / result.requests;
  return { ...result, cpu, memory: loaded?.memory() ?? 0 };
}
