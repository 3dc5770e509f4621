/** The stream of events that keeps the page up to date (WHATWG HTML §9.2). It ends with the login, and with the gateway. */

import type { ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { type Answer, type Exchange, Refusal, refusal, streamed } from '../router/handler.ts';
import type { Administrator, Door } from './door.ts';
import type { LogTail } from './log-tail.ts';
import type { Beginning, Sample, State } from './state.ts';

export interface Live extends AsyncDisposable {
  /** Refuses with 503 where too many look on already, or the gateway is about to stop. */
  open(exchange: Exchange, administrator: Administrator, door: Door): Promise<Answer>;
  tell(sample: Sample): void;
  /** Ends every stream; the pages come back by themselves and are looked at anew. */
  renew(): void;
  /** Ends every stream and takes no more. */
  quiesce(): void;
}

export interface LiveParts {
  readonly tail: LogTail;
  beginning(administrator: Administrator): Omit<Beginning, 'lines'>;
  state(): Promise<State>;
}

interface Viewer {
  readonly res: ServerResponse;
  readonly exchange: Exchange;
  readonly door: Door;
  /** Of the log's lines, the first that it has not been sent. */
  next: number;
}

const mostViewers = 16;
/** Milliseconds. */
const beat = 1000;
/** Bytes that wait for a slow viewer before it is cut off. */
const mostWaiting = 4 * 1024 * 1024;

export function live({ tail, beginning, state }: LiveParts): Live {
  const viewers = new Set<Viewer>();
  const ending = new AbortController();
  let beating: Promise<void> | undefined;

  const send = ({ res }: Viewer, event: string, data: object) => {
    res.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    if (res.writableLength > mostWaiting) res.destroy();
  };

  const inform = async (viewer: Viewer, told: State) => {
    if (!(await stillIn(viewer))) {
      viewer.res.end();
      return;
    }
    const lines = tail.since(viewer.next);
    viewer.next = tail.count;
    if (lines.length > 0) send(viewer, 'lines', lines);
    send(viewer, 'state', told);
  };

  /** One look at the gateway for all of them, as long as there are any. */
  const beats = async () => {
    while (viewers.size > 0) {
      await setTimeout(beat, undefined, { signal: ending.signal });
      try {
        const told = await state();
        await Promise.all([...viewers].map((viewer) => inform(viewer, told)));
      } catch (error) {
        for (const { res, exchange } of viewers) {
          exchange.log.warn('the console cannot be kept up to date', { error });
          res.destroy();
        }
      }
    }
  };

  const renew = () => {
    for (const { res } of viewers) res.end();
  };
  const quiesce = () => {
    ending.abort();
    renew();
  };

  return {
    renew,
    quiesce,
    async open(exchange, administrator, door) {
      const told = await state();
      if (viewers.size >= mostViewers || ending.signal.aborted) {
        const description = ending.signal.aborted ? 'the gateway is stopping' : 'too many consoles are open already';
        throw refusal(503, 'temporarily_unavailable', description, { headers: { 'retry-after': '10' } });
      }
      const { res } = exchange;
      const viewer: Viewer = { res, exchange, door, next: tail.count };
      viewers.add(viewer);
      res.once('close', () => viewers.delete(viewer));
      res.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        // nginx in front would rather have it whole.
        'x-accel-buffering': 'no',
      });
      res.write('retry: 2000\n\n');
      send(viewer, 'beginning', { ...beginning(administrator), lines: tail.since(0) } satisfies Beginning);
      send(viewer, 'state', told);
      beating ??= beats()
        .catch(() => {})
        .finally(() => {
          beating = undefined;
        });
      return streamed;
    },
    tell(sample) {
      for (const viewer of viewers) send(viewer, 'sample', sample);
    },
    async [Symbol.asyncDispose]() {
      quiesce();
      await beating;
    },
  };
}

async function stillIn({ door, exchange }: Viewer): Promise<boolean> {
  try {
    await door.check(exchange);
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}
