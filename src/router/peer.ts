/** Who is at the other end of a socket. */

import type { Socket } from 'node:net';
import { plainAddress } from './addresses.ts';

const announced = new WeakMap<object, string>();

/** The address that a trusted peer's PROXY header gave in its stead. */
export function announcePeer(socket: object, address: string): void {
  announced.set(socket, plainAddress(address));
}

/** The socket's remote address, or the one its PROXY header announced; `127.0.0.1` for a unix socket, which only this host can open. */
export function peerAddress(socket: Pick<Socket, 'remoteAddress'>): string {
  return announced.get(socket) ?? plainAddress(socket.remoteAddress ?? '127.0.0.1');
}
