/** A way to a server that can break: TCP passes through, until it is cut or goes silent. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Breakable extends AsyncDisposable {
  /** The URL it leads to, by way of here. */
  readonly url: string;
  /** Connections of clients that are open now. */
  readonly open: number;
  /** Resets every connection, as a middlebox does that has forgotten them. */
  cut(): void;
  /** Neither side hears of the other any more, and neither is told. */
  silence(): void;
}

export async function breakable(target: string): Promise<Breakable> {
  const to = new URL(target);
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer((client) => {
    const upstream = connect(Number(to.port), to.hostname);
    const pair = [client, upstream] as const;
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) socket.on('error', () => {}).once('close', end);
    client.pipe(upstream).pipe(client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(target);
  url.port = String((server.address() as AddressInfo).port);
  const cut = () => {
    for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
  };
  return {
    url: url.href,
    get open() {
      return pairs.size;
    },
    cut,
    silence() {
      for (const pair of pairs) for (const socket of pair) socket.unpipe().pause();
    },
    async [Symbol.asyncDispose]() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
