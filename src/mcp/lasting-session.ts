/**
 * The session of a stdio client, which lasts as long as its process: where the server has forgotten its own, a new one is
 * initialized as the client did it, and the client need not know.
 */

import type { Ending } from './child.ts';
import type { Connection, ConnectionEvents } from './connection.ts';
import { keyOf, type Message, type Notification, type Request, rpcCode, textOf } from './message.ts';
import { failure } from './modern-server.ts';

export interface LastingSession {
  send(message: Message): void;
  /** Bytes the server has not read yet. */
  readonly backlog: number;
  /** A call is under way. */
  readonly busy: boolean;
  hold(on: boolean): void;
  /** The server hears of it; what is under way is not answered any more. */
  close(reason: string): Promise<void>;
}

export interface LastingSessionOptions {
  /** Rejects with one sentence where the server cannot be had. */
  open(events: ConnectionEvents): Promise<Connection>;
  tell(message: Message): void;
}

export function lastingSession({ open, tell }: LastingSessionOptions): LastingSession {
  const waiting = new Map<string, Request>();
  /** What a new session has to be told that the client told the last: its log level, and what it watches. */
  const repeats = new Map<string, Request>();
  /** Answers to what is repeated, which the client has had already. */
  const unheard = new Map<string, () => void>();
  let initialize: Request | undefined;
  let confirmed: Notification | undefined;
  let opening: Promise<Connection> | undefined;
  let current: Connection | undefined;
  let sentAgain: string | undefined;
  let closed = false;

  const remember = (message: Message) => {
    if (message.kind === 'response') return;
    const { method, params } = message;
    if (message.kind === 'notification') {
      if (method === 'notifications/initialized') confirmed = message;
      if (method === 'notifications/cancelled') waiting.delete(keyOf(params.requestId));
      return;
    }
    waiting.set(keyOf(message.id), message);
    if (method === 'initialize') initialize = message;
    else if (method === 'logging/setLevel') repeats.set('level', message);
    else if (method === 'resources/subscribe') repeats.set(`resource ${textOf(params.uri)}`, message);
    else if (method === 'resources/unsubscribe') repeats.delete(`resource ${textOf(params.uri)}`);
  };

  const hear = (message: Message) => {
    if (message.kind !== 'response') return tell(message);
    const key = keyOf(message.id);
    const repeated = unheard.get(key);
    if (repeated) {
      unheard.delete(key);
      return repeated();
    }
    if (waiting.delete(key)) tell(message);
  };

  const fail = (reason: string) => {
    for (const request of waiting.values()) tell(failure(request, reason, rpcCode.internalError));
    waiting.clear();
  };

  const ended = ({ reason, refused }: Ending) => {
    opening = undefined;
    current = undefined;
    for (const done of unheard.values()) done();
    unheard.clear();
    if (closed) return;
    const key = refused === undefined ? undefined : keyOf(refused);
    const unread = key === undefined || key === sentAgain ? undefined : waiting.get(key);
    if (key !== undefined && unread) waiting.delete(key);
    fail(reason);
    // 2025-11-25, session management: a request that was refused with the session has not been read.
    if (key === undefined || !unread) return;
    sentAgain = key;
    waiting.set(key, unread);
    deliver(unread);
  };

  /** Sends it and swallows the answer. Resolves with that, or with the end of the session. */
  const repeat = (connection: Connection, request: Request): Promise<void> =>
    new Promise((resolve) => {
      unheard.set(keyOf(request.id), resolve);
      connection.send(request);
    });

  const begin = async (again: boolean): Promise<Connection> => {
    const connection = await open({ message: hear, ended });
    if (closed) await connection.close('the client is gone');
    current = connection;
    if (!again || !initialize) return connection;
    await repeat(connection, initialize);
    if (confirmed) connection.send(confirmed);
    for (const request of repeats.values()) void repeat(connection, request);
    return connection;
  };

  const deliver = (message: Message) => {
    // The first message is the initialize of a session that is yet to begin.
    const first = message.kind === 'request' && message === initialize;
    opening ??= begin(!first);
    opening.then(
      (connection) => connection.send(message),
      (error: unknown) => {
        opening = undefined;
        fail(error instanceof Error ? error.message : String(error));
      },
    );
  };

  return {
    send(message) {
      if (closed) return;
      remember(message);
      deliver(message);
    },
    get backlog() {
      return current?.backlog() ?? 0;
    },
    get busy() {
      return waiting.size > 0;
    },
    hold: (on) => current?.hold?.(on),
    async close(reason) {
      closed = true;
      await (await opening?.catch(() => undefined))?.close(reason);
    },
  };
}
