/**
 * The answer to one modern POST (2026-07-28 streamable HTTP): JSON where the result comes first and soon, else an event
 * stream that ends with it. There are no event ids: a stream that breaks is a request that is lost.
 */

import type { ServerResponse } from 'node:http';
import { type Answer, streamed } from '../router/handler.ts';
import type { Accepted } from './accept.ts';
import type { BridgeLimits } from './config.ts';
import { frame, writeEventsHead } from './event-stream.ts';
import { statusOf } from './modern-revision.ts';
import type { Sink } from './modern-server.ts';

export interface ModernAnswer extends Sink {
  readonly reply: Promise<Answer>;
}

const head = 'event: message\ndata: ';

export function modernAnswer(res: ServerResponse, accepted: Accepted, limits: BridgeLimits): ModernAnswer {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  let ticker: NodeJS.Timeout | undefined;
  let done = false;
  let lastWrite = Date.now();

  const upgrade = () => {
    if (ticker || done || res.destroyed) return;
    clearTimeout(opener);
    writeEventsHead(res, {});
    res.flushHeaders();
    ticker = setInterval(tick, (Math.min(limits.keepAlive, limits.stalled) / 2) * 1000);
    resolve(streamed);
  };
  /** A server that many share cannot wait for one slow reader: who falls too far behind, or takes nothing, is cut. */
  const write = (text: string | Buffer) => {
    if (res.destroyed) return;
    lastWrite = Date.now();
    if (res.writableLength > limits.message) res.destroy();
    else res.write(text);
  };
  const tick = () => {
    const quiet = Date.now() - lastWrite;
    if (res.writableNeedDrain && quiet > limits.stalled * 1000) res.destroy();
    else if (!res.writableNeedDrain && quiet >= (limits.keepAlive * 1000) / 2) write(': keep-alive\n\n');
  };
  const opener = accepted.stream ? setTimeout(upgrade, limits.streamAfter * 1000) : undefined;
  const stop = () => {
    done = true;
    clearTimeout(opener);
    clearInterval(ticker);
  };
  res.once('close', () => {
    stop();
    resolve(streamed);
  });
  if (!accepted.json) upgrade();

  return {
    reply: promise,
    notify({ bytes }) {
      if (!accepted.stream || done) return;
      upgrade();
      write(frame(head, bytes));
    },
    respond({ bytes, error }, status) {
      if (done) return;
      stop();
      if (!ticker) {
        const headers = { 'content-type': 'application/json' };
        return resolve({ status: status ?? statusOf(error), headers, body: bytes });
      }
      write(frame(head, bytes));
      res.end();
    },
  };
}
