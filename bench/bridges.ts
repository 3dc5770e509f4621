/** What people put in front of a stdio server: each bridge as its own manual says, with no token asked for. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../test/support/free-port.ts';
import { type Running, start } from './process.ts';

export interface Bridge extends Running {
  readonly port: number;
  readonly path: string;
}

type Words = (port: number, command: string) => readonly string[];

const bridgeKinds: Readonly<Record<string, { readonly entry: string; readonly path: string; readonly words: Words }>> =
  {
    supergateway: {
      entry: 'supergateway/dist/index.js',
      path: '/mcp',
      words: (port, command) => [
        ...['--stdio', command, '--outputTransport', 'streamableHttp', '--stateful'],
        ...['--port', String(port), '--logLevel', 'none'],
      ],
    },
    'mcp-proxy': {
      entry: 'mcp-proxy/dist/bin/mcp-proxy.mjs',
      path: '/mcp',
      words: (port, command) => ['--port', String(port), '--host', '127.0.0.1', '--server', 'stream', '--', command],
    },
  };

export const bridgeNames = Object.keys(bridgeKinds);

/** Undefined where it is not installed: `npm ci --prefix bench`. */
export async function bridge(name: string, command: string): Promise<Bridge | undefined> {
  const kind = bridgeKinds[name];
  const entry = join(import.meta.dirname, 'node_modules', kind?.entry ?? '');
  if (kind === undefined || !existsSync(entry)) return undefined;
  const port = await freePort();
  const running = await start(process.execPath, [entry, ...kind.words(port, command)], { port, alone: true });
  return { ...running, port, path: kind.path };
}
