/** Real clients: each connects to a URL, lists the tools, calls one, answers with the text that came, and leaves. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { desktop } from '../support/desktop.ts';
import type { RealServer } from './servers.ts';

export type RealClient = (url: string, server: RealServer) => Promise<string>;

const { resolve } = createRequire(import.meta.url);
const about = { name: 'matrix', version: '1' };

async function used(client: Client | ClientV2, { tool, args }: RealServer): Promise<string> {
  const { tools } = await client.listTools();
  if (!tools.some(({ name }) => name === tool)) throw new Error(`there is no tool ${tool}`);
  const answer = await client.callTool({ name: tool, arguments: args });
  await client.close();
  return JSON.stringify(answer.content, undefined, 1);
}

const v1 = async (transport: Transport, server: RealServer) => {
  const client = new Client(about);
  await client.connect(transport);
  return used(client, server);
};

const v2 =
  (mode: 'legacy' | 'auto' | { pin: string }): RealClient =>
  async (url, server) => {
    const client = new ClientV2(about, { versionNegotiation: { mode } });
    await client.connect(new TransportV2(new URL(url)));
    return used(client, server);
  };

/** Within this process. */
export const sdkClients: Readonly<Record<string, RealClient>> = {
  'SDK v1': (url, server) => v1(new StreamableHTTPClientTransport(new URL(url)) as Transport, server),
  'SDK v2, legacy': v2('legacy'),
  'SDK v2, 2026-07-28': v2({ pin: '2026-07-28' }),
  'SDK v2, auto': v2('auto'),
};

/** Programs of their own. */
export const programs: Readonly<Record<string, RealClient>> = {
  async 'Inspector CLI'(url, { tool, args }) {
    await using home = await desktop({});
    const inspector = resolve('@modelcontextprotocol/inspector/clients/launcher/build/index.js');
    const given = Object.entries(args).flatMap(([key, value]) => ['--tool-arg', `${key}=${value}`]);
    const words = ['--transport', 'http', '--server-url', url, '--method', 'tools/call', '--tool-name', tool, ...given];
    const child = spawn(process.execPath, [inspector, '--cli', ...words, '--format', 'json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...home.environment, MCP_INSPECTOR_SECRET_STORE: 'file' },
      cwd: home.directory,
    });
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    if (child.exitCode !== 0) throw new Error(err);
    return out;
  },
  async 'mcp-remote'(url, server) {
    await using home = await desktop({});
    const args = [resolve('mcp-remote/dist/proxy.js'), url, '--silent'];
    return v1(new StdioClientTransport({ command: process.execPath, args, env: home.environment }), server);
  },
};
