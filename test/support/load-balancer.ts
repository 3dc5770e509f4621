/** What people put before several gateways: it asks /readyz, takes the ready in turn, and the next where a connection is refused. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

export interface LoadBalancer extends AsyncDisposable {
  readonly url: string;
  /** Ways to one gateway alone, in their order. */
  readonly ways: readonly string[];
}

const askEvery = 20;

/** `origins` of the gateways; the balancer itself listens on `port`. */
export async function loadBalancer(origins: readonly string[], port: number): Promise<LoadBalancer> {
  const ready = new Set<string>();
  let open = true;
  const ask = async (origin: string) => {
    const answer = await fetch(`${origin}/readyz`, { headers: { connection: 'close' } }).catch(() => undefined);
    if (answer?.status === 200) ready.add(origin);
    else ready.delete(origin);
  };
  const watch = async (origin: string) => {
    while (open) {
      await wait(askEvery);
      await ask(origin);
    }
  };
  await Promise.all(origins.map(ask));
  const watching = Promise.all(origins.map(watch));
  let turn = 0;
  const inTurn = () => {
    turn += 1;
    const all = [...ready];
    return all.map((_, index) => all[(index + turn) % all.length] ?? '');
  };
  const servers = [inTurn, ...origins.map((origin) => () => [origin])].map((choose) =>
    createServer((req, res) => forward(req, res, choose())),
  );
  for (const [index, server] of servers.entries()) {
    server.listen(index === 0 ? port : 0, '127.0.0.1');
    await once(server, 'listening');
  }
  const [url = '', ...ways] = servers.map(originOf);
  return {
    url,
    ways,
    async [Symbol.asyncDispose]() {
      open = false;
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
      await watching;
    },
  };
}

function originOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The body is kept back until a gateway takes the connection. */
function forward(req: IncomingMessage, res: ServerResponse, [origin, ...others]: readonly string[]): void {
  if (origin === undefined) {
    res.writeHead(502).end('no gateway is ready');
    return;
  }
  const { method = 'GET', headers, url = '/' } = req;
  const outgoing = request(new URL(url, origin), {
    method,
    headers: { ...headers, connection: 'close' },
    agent: false,
  });
  outgoing.once('socket', (socket) => socket.once('connect', () => req.pipe(outgoing)));
  outgoing.once('response', (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(res);
    answer.once('error', () => res.destroy());
  });
  outgoing.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNREFUSED') forward(req, res, others);
    else if (res.headersSent) res.destroy();
    else res.writeHead(502).end(`${error.code}: ${error.message}`);
  });
  res.once('close', () => outgoing.destroy());
}
