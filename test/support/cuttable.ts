/** A way to a server that a test can cut: nothing gets through and nobody is told, as when a network falls apart. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface CuttableWay extends AsyncDisposable {
  readonly port: number;
  cut(): void;
  heal(): void;
}

export async function cuttableWay(port: number): Promise<CuttableWay> {
  const sockets = new Set<Socket>();
  let whole = true;
  const held = (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
    return socket;
  };
  const server = createServer((client) => {
    held(client);
    if (!whole) return;
    const upstream = held(connect(port, '127.0.0.1'));
    client.pipe(upstream).pipe(client);
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      whole = false;
      for (const socket of sockets) socket.unpipe().pause();
    },
    heal() {
      whole = true;
      for (const socket of sockets) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
