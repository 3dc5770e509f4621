/** The program itself, started as its user would, on a free loopback port. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testStore } from './test-store.ts';

const cli = join(import.meta.dirname, '../../src/cli.ts');

export interface Program extends AsyncDisposable {
  readonly url: string;
  /** Of the generated `admin` user; empty where the configuration names its own. */
  readonly password: string;
  readonly process: ChildProcess;
  output(): string;
  errors(): string;
  /** Puts this configuration in the place of the one it was started with, and waits until it is at work. */
  reload(config: object): Promise<void>;
  /** Sends the signal and answers the exit code, or the signal's name. */
  stop(signal?: NodeJS.Signals): Promise<number | string | null>;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The words that start it from its sources; `options` are Node's. */
export const fromSources = (...options: readonly string[]) => [process.execPath, ...options, cli] as const;

/** `serve` with a configuration object, or with the words after `serve`. Rejects with its stderr if it ends instead of serving. */
export async function startProgram(how: {
  config?: object;
  args?: readonly string[];
  env?: NodeJS.ProcessEnv;
  program?: readonly [string, ...string[]];
}): Promise<Program> {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-gateway-'));
  const file = join(directory, 'gateway.config.json');
  const stored = how.config !== undefined && !('stateDir' in how.config) ? await testStore(directory) : {};
  if (how.config !== undefined) writeFileSync(file, JSON.stringify({ ...stored, ...how.config }));
  const listen = JSON.stringify(how.config ?? {}).includes('"listen"') ? [] : ['--listen', '127.0.0.1:0'];
  const words = ['serve', ...(how.config === undefined ? [] : ['-c', file]), ...listen, ...(how.args ?? [])];
  const [command, ...before] = how.program ?? fromSources();
  const child = spawn(command, [...before, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: directory,
    env: { ...process.env, ...how.env },
  });
  let stdout = '';
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const exited = once(child, 'close');
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (/^mcp-gateway .* ready .*\n[\s\S]*\n$/m.test(stdout)) resolve();
    });
    exited.then(([code]) => reject(new Error(`serve ended with ${code}: ${stderr}`)), reject);
  });
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    const [code, name] = await exited;
    return (code ?? name) as number | string | null;
  };
  return {
    url: /ready at (\S+)/.exec(stdout)?.[1] ?? '',
    password: /Password\s+(\S+)/.exec(stdout)?.[1] ?? '',
    process: child,
    output: () => stdout,
    errors: () => stderr,
    async reload(config) {
      writeFileSync(file, JSON.stringify({ ...stored, ...config }));
      const before = stderr.length;
      child.kill('SIGHUP');
      while (!stderr.slice(before).includes('configuration reloaded')) {
        await Promise.race([once(child.stderr, 'data'), exited]);
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`serve ended: ${stderr}`);
      }
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Any verb, run to its end. */
export async function runProgram(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; input?: string } = {},
): Promise<Finished> {
  const child = spawn(process.execPath, [cli, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
  });
  child.stdin.end(options.input ?? '');
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const [code] = await once(child, 'close');
  return { code: code as number | null, stdout: stdout(), stderr: stderr() };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  return () => text;
}
