/**
 * Requests to an HTTP/2 server, for handlers of undici's kind. RFC 9113.
 * Undici's own takes an answer that is reset in the middle for a whole one, and stays broken after an error of the protocol.
 */

import { type ClientHttp2Session, connect } from 'node:http2';
import type { Socket } from 'node:net';
import type { Dispatcher } from 'undici';
import { type Http2Request, sendHttp2 } from './http2-request.ts';

export interface Http2Client extends Disposable {
  /** Rejects where there is no connection; from then on the handler is told. */
  dispatch(request: Http2Request, handler: Dispatcher.DispatchHandler): Promise<void>;
}

export interface Http2ClientOptions {
  readonly origin: URL;
  /** A new connection that HTTP/2 may begin on. */
  connect(): Promise<Socket>;
  /** Until the answer begins, in milliseconds; 0 waits for ever. */
  readonly headersTimeout: number;
}

/** More at once go over another connection, also where the server would take them. */
const mostStreams = 100;
/** Milliseconds a connection without requests is kept. */
const idle = 60_000;
/** Bytes a stream, and a connection, may have under way: what a stalled client makes us hold. */
const windows = { stream: 256 * 1024, session: 4 * 1024 * 1024 };

interface Open {
  readonly session: ClientHttp2Session;
  streams: number;
}

export function http2Client(options: Http2ClientOptions): Http2Client {
  const open = new Set<Open>();
  const all = new Set<ClientHttp2Session>();
  let opening: Promise<void> | undefined;

  const begin = async () => {
    const socket = await options.connect();
    const session = connect(options.origin, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: windows.stream, maxHeaderListSize: 32 * 1024 },
    });
    const entry = { session, streams: 0 };
    open.add(entry);
    all.add(session);
    session.setTimeout(idle);
    session.once('connect', () => session.setLocalWindowSize(windows.session));
    session.on('timeout', () => entry.streams === 0 && session.close());
    session.on('error', () => open.delete(entry));
    session.on('goaway', () => open.delete(entry));
    session.once('close', () => {
      open.delete(entry);
      all.delete(session);
    });
  };

  /** One connection is opened at a time, so that a burst does not open one each. */
  const take = async (): Promise<Open> => {
    for (;;) {
      for (const entry of open) if (hasRoom(entry)) return entry;
      opening ??= begin().finally(() => {
        opening = undefined;
      });
      await opening;
    }
  };

  const dispatch = async (
    request: Http2Request,
    handler: Dispatcher.DispatchHandler,
    again: boolean,
  ): Promise<void> => {
    const entry = await take();
    entry.streams += 1;
    const stream = sendHttp2(entry.session, request, handler, {
      origin: options.origin,
      patience: options.headersTimeout,
      // A connection on which one waits in vain may be dead; no other request goes there.
      late: () => open.delete(entry),
      refused(fail) {
        // RFC 9113 §8.7: a stream that was refused has not been looked at.
        if (!again || (request.body !== null && !Buffer.isBuffer(request.body))) return false;
        dispatch(request, handler, false).catch(fail);
        return true;
      },
    });
    const done = () => {
      entry.streams -= 1;
      if (!open.has(entry) && entry.streams === 0) entry.session.close();
    };
    if (stream === undefined) done();
    else stream.once('close', done);
  };

  return {
    dispatch: (request, handler) => dispatch(request, handler, true),
    [Symbol.dispose]() {
      for (const session of all) session.destroy();
    },
  };
}

function hasRoom({ session, streams }: Open): boolean {
  if (session.closed || session.destroyed) return false;
  return streams < Math.min(mostStreams, session.remoteSettings?.maxConcurrentStreams ?? mostStreams);
}
