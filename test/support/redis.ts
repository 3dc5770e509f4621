/** A Redis of the test's own: the real server, on a free loopback port. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
import { type TemporaryDirectory, temporaryDirectory } from './temporary-directory.ts';

export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly process: ChildProcess;
  /** Any command, from another connection. */
  ask(command: string, ...words: readonly string[]): Promise<unknown>;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on its port and its files. */
  restart(): Promise<void>;
}

/** Why there is none here, for a test's `skip`; on CI a missing server is a failure. */
export async function redisMissing(): Promise<string | false> {
  const found = await finds('redis-server');
  if (found || process.env.CI === 'true') return false;
  return 'needs redis-server (apt-get install redis-server)';
}

async function finds(program: string): Promise<boolean> {
  const child = spawn(program, ['--version'], { stdio: 'ignore' });
  return new Promise((resolve) => child.once('error', () => resolve(false)).once('exit', () => resolve(true)));
}

/** `options` as on redis-server's command line; `sentinel` is the file of one that watches others. Resolves when it takes connections. */
export async function startRedis(
  options: readonly string[] = [],
  { sentinel }: { readonly sentinel?: string } = {},
): Promise<RedisServer> {
  const directory: TemporaryDirectory = await temporaryDirectory();
  const port = await freePort();
  const start = async () => {
    const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory.path];
    const fixed = sentinel === undefined ? [...place, '--save', ''] : [sentinel, '--sentinel', ...place];
    const child = spawn('redis-server', [...fixed, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
    const failed = once(child, 'error').then(([error]) => Promise.reject(error));
    await Promise.race([failed, saysReady(child)]);
    return child;
  };
  let running = await start();
  const end = async (signal: NodeJS.Signals) => {
    if (running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, 'exit');
    running.kill('SIGCONT');
    running.kill(signal);
    await gone;
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get process() {
      return running;
    },
    async ask(command, ...words) {
      const client = new Redis(port, '127.0.0.1');
      try {
        return await client.call(command, ...words);
      } finally {
        client.disconnect();
      }
    },
    kill: () => end('SIGKILL'),
    async restart() {
      await end('SIGKILL');
      running = await start();
    },
    async [Symbol.asyncDispose]() {
      await end('SIGKILL');
      await directory[Symbol.asyncDispose]();
    },
  };
}

async function saysReady(child: ChildProcess): Promise<void> {
  const said: string[] = [];
  if (child.stdout === null) return;
  for await (const line of createInterface(child.stdout)) {
    said.push(line);
    if (/Ready to accept connections|Sentinel ID is/.test(line)) {
      child.stdout.resume();
      return;
    }
  }
  throw new Error(`redis-server ended: ${said.join('\n')}`);
}
