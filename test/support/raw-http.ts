/** HTTP by bytes: a server that answers what it is told to, a client that sends what no library would. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface RawServer extends AsyncDisposable {
  readonly port: number;
  /** All bytes of every connection, in order. */
  readonly seen: string[];
  /** Connections that are open now. */
  readonly open: ReadonlySet<Socket>;
}

/** `answer` is called for each request head that arrives, with the bytes of its connection so far. */
export async function rawServer(answer: (socket: Socket, seen: string, turn: number) => void): Promise<RawServer> {
  const seen: string[] = [];
  const open = new Set<Socket>();
  let turn = 0;
  const server = createServer((socket) => {
    const at = seen.push('') - 1;
    open.add(socket);
    let heads = 0;
    socket.on('error', () => {});
    socket.once('close', () => open.delete(socket));
    socket.on('data', (chunk) => {
      seen[at] += chunk.toString('latin1');
      const text = seen[at] ?? '';
      const complete = text.split(/\r\n\r\n/).length - 1;
      // Only the first head of a connection is surely one; bodies in the tests hold no empty line.
      for (; heads < complete; heads++) answer(socket, text, turn++);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    open,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Sends the bytes as they are and answers all that comes until the other side closes. */
export async function rawExchange(port: number, ...parts: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1').setNoDelay();
  socket.on('error', () => {});
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  for (const part of parts) {
    socket.write(part, 'latin1');
    await new Promise((resolve) => setTimeout(resolve, parts.length > 1 ? 5 : 0));
  }
  if (!socket.closed) await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

/** Sends the bytes and resolves with the socket and what has come so far as soon as `until` is in it. */
export async function rawDial(port: number, bytes: string, until: RegExp): Promise<{ socket: Socket; text(): string }> {
  const socket = connect(port, '127.0.0.1').setNoDelay();
  socket.on('error', () => {});
  let text = '';
  socket.write(bytes, 'latin1');
  await new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (until.test(text)) resolve();
    });
    socket.once('close', () => reject(new Error(`closed after ${JSON.stringify(text)}`)));
  });
  return { socket, text: () => text };
}
