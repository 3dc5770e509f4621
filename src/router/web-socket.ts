/** A WebSocket through the gateway: the handshake as a request like any other, then bytes both ways. RFC 6455 §4. */

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Limits } from './config.ts';
import { type Answer, type Exchange, streamed } from './handler.ts';
import { setHead } from './response-head.ts';
import { busy, type Slots } from './slots.ts';
import { answerFor } from './upstream-failure.ts';
import { responseHeaders } from './upstream-headers.ts';
import { tunnel } from './web-socket-tunnel.ts';

export interface WebSocketTarget {
  readonly url: URL;
  readonly socketPath?: string;
  readonly path: string;
  /** A flat list, without those of the connection itself. */
  readonly headers: readonly string[];
  readonly secure: { readonly ca?: string; readonly servername?: string };
  readonly streams: Slots;
  /** What a stop ends without waiting. */
  readonly listening: Set<() => void>;
  readonly limits: Limits;
}

/** Seconds a server may take for the handshake, where answers in general may take longer. */
const handshake = 10;

/** Resolves when the handshake is through; both ends then live and die together. A refusal is relayed as it is. */
export async function webSocket(
  exchange: Exchange,
  client: NonNullable<Exchange['upgrade']>,
  target: WebSocketTarget,
): Promise<Answer> {
  const { res } = exchange;
  const release = target.streams.tryTake();
  if (release === undefined) throw busy();
  res.once('close', release);
  const opened = await shake(exchange, target).catch((error: Error) => {
    if (res.destroyed) return undefined;
    throw answerFor(error);
  });
  if (opened === undefined) return streamed;
  const { answer, server, head } = opened;
  const headers = responseHeaders(answer.rawHeaders, 'site');
  if (server === undefined) {
    // RFC 6455 §4.2.2: a server may refuse by any other status, which is the client's to know.
    setHead(res, answer.statusCode ?? 502, headers);
    await pipeline(answer, res).catch(() => res.destroy());
    return streamed;
  }
  setHead(res, 101, [...headers, 'connection', 'Upgrade', 'upgrade', 'websocket']);
  res.flushHeaders();
  client.socket.unshift(client.head);
  server.unshift(head);
  // Both are sockets: node:http speaks of any stream it may be given.
  const { leave } = tunnel(client.socket as Socket, server as Socket, target.limits.stall * 1000);
  target.listening.add(leave);
  res.once('close', () => target.listening.delete(leave));
  return streamed;
}

interface Opened {
  readonly answer: IncomingMessage;
  /** Absent where the server refused. */
  readonly server?: Duplex;
  readonly head: Buffer;
}

/** Rejects where there is no answer in time. Ends with the client. */
function shake({ res }: Exchange, target: WebSocketTarget): Promise<Opened> {
  const { url, socketPath, path, secure, limits } = target;
  const headers = [...target.headers, 'connection', 'Upgrade', 'upgrade', 'websocket'];
  if (!target.headers.includes('host')) headers.push('host', url.host);
  const start = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const where =
    socketPath === undefined ? { hostname: url.hostname.replace(/^\[|\]$/g, ''), port: url.port } : { socketPath };
  return new Promise((resolve, reject) => {
    const request = start({ ...where, ...secure, path, method: 'GET', headers, agent: false });
    const late = Object.assign(new Error('the handshake took too long'), { code: 'ETIMEDOUT' });
    const timer = setTimeout(() => request.destroy(late), Math.min(handshake, limits.responseTimeout) * 1000);
    const leave = () => request.destroy();
    res.once('close', leave);
    const settle = () => {
      clearTimeout(timer);
      res.off('close', leave);
    };
    request.on('error', (error) => {
      settle();
      reject(error);
    });
    request.on('upgrade', (answer, server, head) => {
      settle();
      resolve({ answer, server, head });
    });
    request.on('response', (answer) => {
      settle();
      resolve({ answer, head: Buffer.alloc(0) });
    });
    request.end();
  });
}
