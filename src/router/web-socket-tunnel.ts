/** A WebSocket that is open: bytes both ways, a question to whoever is silent, and a farewell where the gateway stops. */

import type { Socket } from 'node:net';
import { linger } from './socket-close.ts';
import { controlFrame, frameBounds } from './web-socket-frames.ts';

export interface Tunnel {
  /** RFC 6455 §7.4.1: tells both ends that the gateway goes away, and closes when they have heard it. */
  leave(): void;
}

/** Milliseconds after which the kernel asks whether a silent peer is still there. */
const keepAlive = 30_000;

/** Both ends live and die together. Who has said nothing for half of `stall` ms is sent a ping, and has the other half to answer. */
export function tunnel(client: Socket, server: Socket, stall: number): Tunnel {
  const up = lane(client, server, 'server');
  const down = lane(server, client, 'client');
  const destroy = () => {
    client.destroy();
    server.destroy();
  };
  // RFC 6455 §5.5.2: every endpoint answers a ping, so silence means that nobody is there, or nobody who runs.
  const question = () => {
    if (!up.alive(down) || !down.alive(up)) destroy();
  };
  const questions = stall > 0 ? setInterval(question, stall / 2) : undefined;
  for (const socket of [client, server]) {
    socket.setKeepAlive(true, keepAlive);
    socket.on('error', destroy);
    socket.once('close', () => {
      clearInterval(questions);
      destroy();
    });
  }
  return {
    leave() {
      up.leave();
      down.leave();
    },
  };
}

interface Lane {
  /** Whether something came along since it was last asked, or the sender still has time to answer the ping that goes back now. */
  alive(back: Lane): boolean;
  /** False where no frame can be put in. */
  ping(): boolean;
  leave(): void;
}

function lane(from: Socket, to: Socket, end: 'client' | 'server'): Lane {
  const bounds = frameBounds();
  let heard = true;
  let asked = false;
  let leaving = false;
  let left = false;
  const farewell = () => {
    left = true;
    to.write(controlFrame('goingAway', end));
    linger(to);
  };
  from.on('data', (chunk: Buffer) => {
    heard = true;
    if (left) return;
    let at = 0;
    do at = bounds.advance(chunk, at);
    while (at < chunk.length && !(leaving && bounds.between));
    if (!to.write(at < chunk.length ? chunk.subarray(0, at) : chunk)) from.pause();
    if (leaving && bounds.between) farewell();
  });
  to.on('drain', () => from.resume());
  from.once('end', () => to.end());
  return {
    alive(back) {
      const alive = heard || !asked;
      asked = !heard && (asked || back.ping());
      heard = false;
      return alive;
    },
    ping() {
      if (left || !bounds.between) return false;
      to.write(controlFrame('ping', end));
      return true;
    },
    leave() {
      leaving = true;
      if (bounds.between && !left) farewell();
    },
  };
}
