/** HTTP servers of MCP on loopback, and the gateway's side of one. */

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { silent } from '../../src/log.ts';
import { bridgeLimits, mcpServerConfig } from '../../src/mcp/config.ts';
import { openReaper } from '../../src/mcp/reaper.ts';
import { remote } from '../../src/mcp/remote.ts';
import { limitsConfig } from '../../src/router/config.ts';
import { upstream } from '../../src/router/upstream.ts';
import { serve } from './serve.ts';

export interface Running extends AsyncDisposable {
  readonly url: string;
}

export async function listening(server: Server, port = 0): Promise<Running> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The gateway's side of a server with a `url`. */
export async function through(url: string, config: object = {}): Promise<Running> {
  const parsed = mcpServerConfig.parse({ url, headers: { 'x-api-key': 'its own' }, ...config });
  const limits = limitsConfig.parse({});
  const pass = upstream({ url, headers: parsed.headers }, { log: silent, limits: { ...limits, responseTimeout: 60 } });
  const reaper = openReaper(silent);
  const deps = { log: silent, reaper, limits: bridgeLimits.parse({}), connectTimeout: 5, pass };
  const running = remote('test', { ...parsed, url }, deps);
  const served = await serve(running.service);
  return {
    url: served.url,
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await served[Symbol.asyncDispose]();
      await reaper[Symbol.asyncDispose]();
    },
  };
}
