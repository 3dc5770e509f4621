/** Who is at the other end of a socket. */

import type { Socket } from 'node:net';
import { plainAddress } from './addresses.ts';

type Ends = Pick<Socket, 'remoteAddress'> & Partial<Pick<Socket, 'remotePort' | 'localAddress' | 'localPort'>>;

/** By both ends of the connection, since TLS and HTTP/2 wrap the socket in objects of their own. */
const claimed = new Map<string, string>();

/** The socket's remote address, or the one a trusted proxy named; `127.0.0.1` for a unix socket, which only this host can open. */
export function peerAddress(socket: Ends): string {
  const named = claimed.size === 0 ? undefined : claimed.get(endsOf(socket));
  return plainAddress(named ?? socket.remoteAddress ?? '127.0.0.1');
}

/** For as long as the connection is open. Not for unix sockets, whose ends have no names. */
export function claimPeer(socket: Socket, address: string): void {
  const ends = endsOf(socket);
  claimed.set(ends, address);
  socket.once('close', () => claimed.delete(ends));
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Ends): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
