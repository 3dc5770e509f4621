/** Who is at the other end of a socket. */

import type { Socket } from 'node:net';
import { plainAddress } from './addresses.ts';

/** The socket's remote address; `127.0.0.1` for a unix socket, which only this host can open. */
export function peerAddress(socket: Pick<Socket, 'remoteAddress'>): string {
  return plainAddress(socket.remoteAddress ?? '127.0.0.1');
}
