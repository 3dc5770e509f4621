/** An HTTP server of somebody else, on a free loopback port or a socket. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Site extends AsyncDisposable {
  readonly url: string;
  readonly seen: IncomingMessage[];
}

export async function site(answer: RequestListener, at: { path?: string } = {}): Promise<Site> {
  const seen: IncomingMessage[] = [];
  const server = createServer((req, res) => {
    seen.push(req);
    answer(req, res);
  });
  server.listen(at.path === undefined ? { port: 0, host: '127.0.0.1' } : at);
  await once(server, 'listening');
  const url = at.path === undefined ? `http://127.0.0.1:${(server.address() as AddressInfo).port}` : `unix:${at.path}`;
  return {
    url,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
