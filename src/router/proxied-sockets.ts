/** Connections from trusted proxies begin with a PROXY header, which is taken off before HTTP or TLS begins. */

import type { Server, Socket } from 'node:net';
import type { AddressSet } from './addresses.ts';
import { claimPeer, peerAddress } from './peer.ts';
import { proxyHeader } from './proxy-header.ts';

/** From trusted peers the header must come, within `timeout` ms; from others it is never looked for, so HTTP refuses it. */
export function expectProxyHeaders(server: Server, trusted: AddressSet, timeout: number): void {
  const begin = server.listeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const go = () => {
      for (const listener of begin) listener.call(server, socket);
    };
    if (!trusted.has(peerAddress(socket))) return go();
    const timer = setTimeout(() => socket.destroy(), timeout);
    let read = Buffer.alloc(0);
    const onReadable = () => {
      const bytes = socket.read() as Buffer | null;
      if (bytes === null) return;
      read = Buffer.concat([read, bytes]);
      const header = proxyHeader(read);
      if (header === undefined) return;
      stop();
      if (header === 'faulty') return void socket.destroy();
      if (header.address !== undefined) claimPeer(socket, header.address);
      if (read.length > header.length) socket.unshift(read.subarray(header.length));
      go();
    };
    const onClose = () => {
      stop();
      socket.destroy();
    };
    const stop = () => {
      clearTimeout(timer);
      socket.off('readable', onReadable).off('end', onClose).off('close', onClose).off('error', onClose);
    };
    socket.on('readable', onReadable).on('end', onClose).on('close', onClose).on('error', onClose);
  });
}
