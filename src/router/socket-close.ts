/** Ends a connection so that the last answer arrives. RFC 9112 §9.6. */

import type { ServerResponse } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';

/** Milliseconds in which a client may still send what it has under way. */
const lingering = 2000;
/** RFC 9113 §7. */
const internalError = 0x2;

/**
 * Closes our side and reads on for a moment. Closing both at once while bytes of the client are still unread would make
 * the kernel send a reset, and the client would lose the answer.
 */
export function linger(socket: Socket): void {
  if (socket.destroyed) return;
  socket.end();
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lingering);
  socket.once('close', () => clearTimeout(timer));
}

/** Makes the HTTP server's own closing after the current answer a lingering one. */
export function closeGently(socket: Socket): void {
  socket.destroySoon = () => linger(socket);
}

/** The client must notice that the answer is not whole: the connection breaks, or in HTTP/2 the stream. RFC 9112 §8, RFC 9113 §8.1. */
export function abandon(res: ServerResponse): void {
  if (res.writableEnded) return;
  // Destroyed without a code, a stream ends as if all were well.
  if (res.req.httpVersionMajor > 1) (res as unknown as Http2ServerResponse).stream.close(internalError);
  else res.socket?.destroy();
}
