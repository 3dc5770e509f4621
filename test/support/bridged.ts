/** A bridge to the test server, over a real socket. */

import { fileURLToPath } from 'node:url';
import { type Log, silent } from '../../src/log.ts';
import { type Bridge, bridge } from '../../src/mcp/bridge.ts';
import { type BridgeLimits, bridgeLimits, isStdio, mcpServerConfig } from '../../src/mcp/config.ts';
import { openReaper } from '../../src/mcp/reaper.ts';
import { serve } from './serve.ts';

export interface Bridged extends AsyncDisposable {
  readonly url: string;
  readonly bridge: Bridge;
}

export interface BridgedOptions {
  readonly args?: readonly unknown[];
  readonly config?: Readonly<Record<string, unknown>>;
  readonly limits?: Partial<BridgeLimits>;
  readonly log?: Log;
}

const script = fileURLToPath(new URL('children/server.mjs', import.meta.url));

export async function bridged({
  args = [],
  config = {},
  limits = {},
  log = silent,
}: BridgedOptions = {}): Promise<Bridged> {
  const parsed = mcpServerConfig.parse({ command: process.execPath, args: [script, ...args], ...config });
  if (!isStdio(parsed)) throw new Error('not a stdio server');
  const reaper = openReaper(log);
  const running = bridge('test', parsed, {
    log,
    reaper,
    limits: { ...bridgeLimits.parse({}), childGrace: 0.3, ...limits },
  });
  const served = await serve(running.service, log);
  return {
    url: `${served.url}/test/mcp`,
    bridge: running,
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await served[Symbol.asyncDispose]();
      await reaper[Symbol.asyncDispose]();
    },
  };
}

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Polls, because the end of a process that is nobody's child here has no event. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  milliseconds = 10_000,
): Promise<void> {
  const until = Date.now() + milliseconds;
  while (!(await condition())) {
    if (Date.now() > until) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
