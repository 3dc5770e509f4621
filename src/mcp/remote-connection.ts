/**
 * One connection to an HTTP server that behaves like a child: messages go in and come out, in whichever era they are.
 * What a process does by lines is done here by a POST for each message, and a GET for what the server says unasked.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../log.ts';
import type { Caller } from '../router/handler.ts';
import type { Child, ChildEvents } from './child.ts';
import { EventTooLong } from './event-source.ts';
import { type Id, isObject, keyOf, type Message, type Request, type Response, readLine, write } from './message.ts';
import { metaKey, metaOf } from './modern-revision.ts';
import { failure } from './modern-server.ts';
import { ownMeta } from './probe.ts';
import {
  errorIn,
  firstPause,
  follow,
  longestPause,
  messagesIn,
  type Position,
  reasonOf,
  resumed,
  unreachable,
} from './remote-answer.ts';
import { type FormerTransport, mayBeFormer, openFormer } from './remote-former.ts';
import { accept, modernHeaders, personHeaders } from './remote-headers.ts';
import type { RemoteAnswer, RemoteServer } from './remote-server.ts';
import { toolHeaders } from './tool-headers.ts';

export interface RemoteConnectionOptions {
  readonly server: RemoteServer;
  /** Whom it is for, where it is for one alone. */
  readonly caller?: Caller | undefined;
  readonly log: Log;
  /** Seconds that the server has to hear of the end of a session. */
  readonly grace: number;
}

export interface RemoteConnection extends Child {
  /** The server has turned out to know only the transport of 2024-11-05. */
  readonly former: boolean;
}

export function remoteConnection({ server, caller, log, grace }: RemoteConnectionOptions): RemoteConnection {
  const person = personHeaders(caller);
  const ended = new AbortController();
  const gone = Promise.withResolvers<void>();
  const underWay = new Map<string, AbortController>();
  let events: ChildEvents | undefined;
  let spoke = false;
  let over = false;
  let backlog = 0;
  let sessionId: string | undefined;
  let protocolVersion: string | undefined;
  let former: FormerTransport | undefined;
  /** Until it resolves, what is sent next would come too early. */
  let ahead: Promise<unknown> = Promise.resolve();
  let gate = Promise.withResolvers<void>();
  gate.resolve();

  /** Nothing more is read while whoever listens is busy. */
  const gated = (to: (message: Message) => void) => async (message: Message) => {
    to(message);
    await gate.promise;
  };

  const hear = (message: Message) => {
    if (over) return;
    spoke = true;
    events?.message(message);
  };

  const finish = (reason: string, expected: boolean, refused?: Id) => {
    if (over) return;
    over = true;
    events?.ended({ reason, expected, stderr: [], ...(refused !== undefined && { refused }) });
    void release();
  };

  /** 2025-11-25, session management: a client that needs a session no more says so. */
  const release = async () => {
    ended.abort();
    if (sessionId !== undefined) {
      const signal = AbortSignal.timeout(grace * 1000);
      await server
        .ask({ method: 'DELETE', headers: sessionHeaders(), signal })
        .then((answer) => answer.text())
        .catch((error: unknown) => log.debug('the end of a session could not be said', { reason: reasonOf(error) }));
    }
    gone.resolve();
  };

  const sessionHeaders = () => ({
    ...person,
    ...(sessionId !== undefined && { 'mcp-session-id': sessionId }),
    ...(protocolVersion !== undefined && { 'mcp-protocol-version': protocolVersion }),
  });

  const tools = toolHeaders(async (method, params) => {
    const request = write({ id: 'gateway', method, params: { ...params, _meta: ownMeta } }) as Request;
    const found: Response[] = [];
    const keep = (message: Message) => message.kind === 'response' && found.push(message);
    await exchange(request, ended.signal, keep).catch(() => undefined);
    return found[0] ?? failure(request, 'the server did not list its tools');
  });

  const headersOf = async (message: Message): Promise<Record<string, string>> => {
    if (message.kind === 'response') return { accept, ...sessionHeaders() };
    const version = metaOf(message.params)[metaKey.protocolVersion];
    if (typeof version !== 'string') return { accept, ...sessionHeaders() };
    const { name } = message.params;
    const mirrored = message.method === 'tools/call' && typeof name === 'string' ? await tools.of(name) : [];
    return { ...person, ...modernHeaders(message, version, mirrored) };
  };

  /** One POST and all that comes of it. Resolves when nothing more can; `accepted` when the server has taken it. */
  const exchange = async (
    message: Message,
    signal: AbortSignal,
    to: (message: Message) => void,
    accepted?: () => void,
  ): Promise<void> => {
    if (former) return former.post(message, signal);
    const headers = await headersOf(message);
    backlog += message.bytes.length;
    const answer = await server
      .ask({ method: 'POST', headers, body: message.bytes, signal })
      .finally(() => (backlog -= message.bytes.length));
    if (message.kind === 'request' && message.method === 'initialize') sessionId = answer.sessionId;
    else accepted?.();
    // 2025-11-25, session management: 404 to a request with a session id means that the session is over.
    if (answer.status === 404 && headers['mcp-session-id'] !== undefined) {
      await answer.text();
      return finish('the server ended the session', false, message.kind === 'request' ? message.id : undefined);
    }
    await read(answer, message, signal, to);
  };

  const read = async (answer: RemoteAnswer, message: Message, signal: AbortSignal, to: (message: Message) => void) => {
    const at: Position = { pause: firstPause };
    let answered = false;
    const isAnswer = (each: Message) =>
      each.kind === 'response' && message.kind === 'request' && keyOf(each.id) === keyOf(message.id);
    const hearing = (each: Message) => {
      answered ||= isAnswer(each);
      to(each);
    };
    if (answer.events) {
      await follow(answer.events, at, gated(hearing)).catch((error: unknown) => {
        if (error instanceof EventTooLong || signal.aborted || at.id === undefined) throw error;
      });
      const again = () => {
        const headers = { accept: 'text/event-stream', ...sessionHeaders(), 'last-event-id': at.id ?? '' };
        return server.ask({ method: 'GET', headers, signal });
      };
      if (sessionId !== undefined) await resumed(at, () => answered, again, gated(hearing), signal);
    } else {
      const text = await answer.text();
      for (const each of messagesIn(text)) if (each.kind !== 'response' || isAnswer(each)) hearing(each);
      // A server that refuses a request unread cannot repeat its id.
      const error = answered || message.kind !== 'request' ? undefined : errorIn(text);
      if (!answered && !error && mayBeFormer(message, answer.status)) {
        const ofStream = { hear: gated(hear), ended: (reason: string) => finish(reason, false) };
        former = await openFormer(server, person, ended.signal, ofStream);
        if (former) return former.post(message, signal);
      }
      if (error && message.kind === 'request') hearing(write({ id: message.id, error }));
    }
    if (message.kind !== 'request' || answered) return;
    const failed =
      answer.status >= 300 ? `the server answered ${answer.status}` : 'the server did not answer the request';
    throw new Error(failed);
  };

  /** 2025-11-25, "Listening for Messages from the Server": not every server has such a stream. */
  const listenForMore = async () => {
    const at: Position = { pause: firstPause };
    let wait = firstPause;
    while (!over) {
      const headers = {
        accept: 'text/event-stream',
        ...sessionHeaders(),
        ...(at.id !== undefined && { 'last-event-id': at.id }),
      };
      const answer = await server.ask({ method: 'GET', headers, signal: ended.signal });
      if (answer.events === undefined) {
        await answer.text();
        if (answer.status === 404 && sessionId !== undefined) return finish('the server ended the session', false);
        if (answer.status < 500) return;
        wait = Math.min(wait * 2, longestPause);
      } else {
        await follow(answer.events, at, gated(hear)).catch((error: unknown) =>
          log.debug('a stream broke off', { reason: reasonOf(error) }),
        );
        wait = at.pause;
      }
      await delay(wait, undefined, { signal: ended.signal });
    }
  };

  const post = async (message: Message, accepted: () => void) => {
    if (message.kind !== 'request') {
      try {
        await exchange(message, ended.signal, hear, accepted);
      } catch (error) {
        if (!over) log.warn('a message did not reach the server', { reason: reasonOf(error) });
      }
      const confirmed = message.kind === 'notification' && message.method === 'notifications/initialized';
      if (confirmed && !former && !over) {
        void listenForMore().catch((error: unknown) => over || log.debug('no stream', { reason: reasonOf(error) }));
      }
      return;
    }
    const key = keyOf(message.id);
    const own = new AbortController();
    underWay.set(key, own);
    try {
      await exchange(message, AbortSignal.any([ended.signal, own.signal]), noted(message, hear), accepted);
    } catch (error) {
      if (over || own.signal.aborted) return;
      // TR-35: a subscription ends with its stream.
      if (message.method === 'subscriptions/listen') return hear(cancelled(message.id));
      hear(failure(message, unreachable(error) ? `the server cannot be reached: ${reasonOf(error)}` : reasonOf(error)));
    } finally {
      if (underWay.get(key) === own) underWay.delete(key);
    }
  };

  /** What the handshake settles holds for all that follows. */
  const noted = (request: Request, to: (message: Message) => void) => (message: Message) => {
    if (request.method === 'tools/list' && message.kind === 'response' && isObject(message.result))
      tools.saw(message.result.tools);
    if (request.method === 'initialize' && message.kind === 'response' && isObject(message.result)) {
      const { protocolVersion: agreed } = message.result;
      // 2025-06-18 was the first to want the header.
      if (typeof agreed === 'string') protocolVersion = agreed;
    }
    to(message);
  };

  return {
    startedAt: Date.now(),
    listen(to) {
      events = to;
    },
    send(line) {
      if (over) return;
      const message = readLine(line);
      if (message === undefined) return;
      if (message.kind === 'notification' && message.method === 'notifications/cancelled') {
        const call = underWay.get(keyOf(message.params.requestId));
        // TR-14: in the modern era to hang up is to cancel.
        if (call && protocolVersion === undefined && !former) return call.abort();
      }
      const before = ahead;
      const accepted = Promise.withResolvers<void>();
      const done = before.then(() => post(message, accepted.resolve)).finally(accepted.resolve);
      // Only a request may be overtaken, and by nothing that needs what its answer brings.
      if (message.kind !== 'request') ahead = accepted.promise;
      else if (message.method === 'initialize') ahead = done;
    },
    backlog: () => backlog,
    hold(on) {
      if (on) gate = Promise.withResolvers<void>();
      else gate.resolve();
    },
    // Its requests have time limits of their own, and there is no process to end.
    suspect() {},
    spoke: () => spoke,
    over: () => over,
    get former() {
      return former !== undefined;
    },
    gone: gone.promise,
    async end(reason = 'the connection was closed') {
      finish(reason, true);
      gate.resolve();
      await gone.promise;
    },
  };
}

function cancelled(id: Id): Message {
  return write({ method: 'notifications/cancelled', params: { requestId: id } });
}
