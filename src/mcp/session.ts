/** One legacy session: which of the server's messages goes to which stream of the client, and back. */

import type { Log } from '../log.ts';
import type { Answer, Caller, Exchange } from '../router/handler.ts';
import { accepted } from './accept.ts';
import type { Called } from './called.ts';
import { type Call, type Calls, callOf, failCall, failCalls } from './calls.ts';
import type { Ending } from './child.ts';
import type { BridgeLimits } from './config.ts';
import type { Connection } from './connection.ts';
import {
  attachReader,
  type EventStream,
  type EventStreams,
  eventStreams,
  findEvent,
  finishAll,
  isAnyRead,
  isRead,
  openStream,
  sweepStreams,
  takeUnsent,
} from './event-stream.ts';
import { isId, type Message, progressTokenOf, type Request, RpcFault, rpcCode, textOf, write } from './message.ts';
import { type Answering, answeringOn, postAnswer } from './post-answer.ts';
import { primes } from './protocol-version.ts';
import type { ToolPolicy } from './tool-policy.ts';
import { Unavailable } from './unavailable.ts';

export type Session = Readonly<SessionState>;

/** What all sessions of a server have in common. */
export interface SessionOptions {
  readonly log: Log;
  readonly limits: BridgeLimits;
  /** Seconds. */
  readonly requestTimeout: number;
  readonly policy: ToolPolicy;
  readonly called: Called;
  /** Once; the session is to be forgotten. */
  readonly closed: (session: Session) => void;
}

/** Only this module and that of what the server says change it. A record, as there may be ten thousand that do nothing but wait. */
export interface SessionState {
  readonly options: SessionOptions;
  readonly id: string;
  /** Whom it belongs to. */
  readonly caller: Caller | undefined;
  /** Whom it counts against. */
  readonly account: string;
  readonly connection: Connection;
  readonly streams: EventStreams;
  /** Of what belongs to no request. */
  readonly standing: EventStream;
  readonly calls: Calls;
  /** The server's requests that the client has not answered; made for the first. */
  asked: Map<unknown, Question> | undefined;
  /** As the server answered initialize; undefined until it has. */
  version: string | undefined;
  /** The client has said that it got the answer to initialize. */
  confirmed: boolean;
  over: boolean;
  /** Milliseconds since the epoch. */
  readonly openedAt: number;
  lastUsed: number;
}

interface Question {
  readonly at: number;
  refuse(text: string): void;
}

export function openSession(
  options: SessionOptions,
  { id, caller, account, connection }: Pick<Session, 'id' | 'caller' | 'account' | 'connection'>,
): Session {
  const streams = eventStreams({ keep: options.limits.eventLog, hold: connection.hold });
  const now = Date.now();
  return {
    options,
    id,
    caller,
    account,
    connection,
    streams,
    standing: openStream(streams),
    calls: [],
    asked: undefined,
    version: undefined,
    confirmed: false,
    over: false,
    openedAt: now,
    lastUsed: now,
  };
}

/** A call or a stream is open. */
export function isBusy({ calls, streams }: Session): boolean {
  return calls.length > 0 || isAnyRead(streams);
}

/** Throws RpcFault or Unavailable, before anything reaches the server. */
export function post(
  session: SessionState,
  exchange: Exchange,
  messages: readonly Message[],
  batch: boolean,
): Answer | Promise<Answer> {
  const { standing, streams, options } = session;
  const requests = messages.filter((message) => message.kind === 'request');
  admit(session, requests);
  session.lastUsed = Date.now();
  if (requests.length === 0) {
    for (const message of messages) forward(session, message);
    return { status: 202 };
  }
  const initialize = requests[0]?.method === 'initialize' ? requests[0] : undefined;
  const answer = postAnswer({
    res: exchange.res,
    accepted: accepted(exchange.req),
    batch,
    count: requests.length,
    headers: initialize ? { 'mcp-session-id': session.id } : {},
    // A status can only be told before the stream begins, and a server that does not start needs one.
    ...(!initialize && { streamAfter: options.limits.streamAfter }),
    prime: primes(initialize ? textOf(initialize.params.protocolVersion) : session.version),
    streams,
  });
  if (!initialize && answer.streams() && !isRead(standing)) {
    for (const { bytes, lost } of takeUnsent(standing)) answer.precede(bytes, lost);
  }
  submit(session, exchange, messages, answer);
  return answer.reply;
}

/** As `post`, for the transport of 2024-11-05: everything goes to the standing stream, also answers. */
export function accept(session: SessionState, exchange: Exchange, messages: readonly Message[]): void {
  admit(
    session,
    messages.filter((message) => message.kind === 'request'),
  );
  session.lastUsed = Date.now();
  submit(session, exchange, messages, answeringOn(session.standing));
}

/** The standing stream, or the one that `lastEventId` was on. False where that one was forgotten. */
export function listen(session: SessionState, { res }: Exchange, lastEventId: string | undefined): boolean {
  const { standing, streams, version } = session;
  const found = lastEventId === undefined ? { stream: standing, after: undefined } : findEvent(streams, lastEventId);
  if (!found) return false;
  session.lastUsed = Date.now();
  res.on('close', () => {
    session.lastUsed = Date.now();
  });
  attachReader(found.stream, res, {}, { after: found.after, prime: primes(version) });
  return true;
}

/** The server is gone: every call fails at once. */
export function fail(session: SessionState, { reason, stderr }: Ending): void {
  if (!session.over) logOf(session).warn('server ended', { reason, calls: session.calls.length, stderr });
  void close(session, reason, 502);
}

export function sweep({ options, streams, asked }: Session): void {
  const { keepAlive, stalled } = options.limits;
  sweepStreams(streams, keepAlive, stalled);
  if (asked === undefined || isAnyRead(streams)) return;
  // ST-11: no server is kept waiting for a client that listens nowhere.
  const long = Date.now() - stalled * 1000;
  for (const { at, refuse } of [...asked.values()]) if (at <= long) refuse('the client does not listen');
}

export async function close(session: SessionState, reason: string, status = 404): Promise<void> {
  const { calls, streams, standing, connection, options } = session;
  if (!session.over) {
    failCalls(calls, reason, status);
    session.over = true;
    finishAll(streams);
    for (const { lost } of takeUnsent(standing)) lost?.();
    options.closed(session);
    logOf(session).debug('session closed', { reason });
  }
  await connection.close(reason);
}

/** Made where something is to be told: most sessions tell nothing. */
export function logOf({ options, id }: Session): Log {
  return options.log.with({ session: id.split('.').at(-1)?.slice(0, 6) });
}

export function tell({ connection }: Session, value: Readonly<Record<string, unknown>>): void {
  connection.send(write(value));
}

function forward(session: SessionState, message: Message): void {
  const { connection, calls } = session;
  if (message.kind === 'response') {
    // Only what was asked: the server cannot be told apart otherwise whom it hears.
    if (session.asked?.delete(message.id)) connection.send(message);
    return;
  }
  if (message.method === 'notifications/initialized') session.confirmed = true;
  if (message.method === 'notifications/cancelled') {
    const { requestId } = message.params;
    const call = isId(requestId) ? callOf(calls, requestId) : undefined;
    if (!call || call.request.method === 'initialize') return;
    connection.send(message);
    // The server need not answer any more, but the POST has to end.
    failCall(calls, call, 'cancelled by the client', 200);
    return;
  }
  connection.send(message);
}

function admit({ over, connection, calls, options: { limits } }: Session, requests: readonly Request[]): void {
  if (over) throw new Unavailable(503, 'the session is ending', { retryAfter: 1 });
  if (connection.backlog() > limits.message || calls.length + requests.length > limits.callsPerSession) {
    throw new Unavailable(503, 'the server is behind with this session', { retryAfter: 1 });
  }
  for (const request of requests) {
    const { id } = request;
    if (callOf(calls, id) || requests.find((one) => one.id === id) !== request)
      throw new RpcFault(rpcCode.invalidRequest, 'a request with this id is in flight', id);
  }
}

function submit(session: SessionState, exchange: Exchange, messages: readonly Message[], answer: Answering): void {
  for (const message of messages) {
    if (message.kind !== 'request') forward(session, message);
    else call(session, exchange, message, answer);
  }
}

function call(session: SessionState, exchange: Exchange, request: Request, answer: Answering): void {
  const { options, calls, connection } = session;
  const ended = options.called(exchange, request);
  const refused = options.policy.refuse(request);
  if (refused) {
    ended('refused');
    return void answer.respond(refused);
  }
  const begun: Call = {
    request,
    answer,
    ended,
    token: progressTokenOf(request.params),
    startedAt: Date.now(),
    timer: setTimeout(() => expired(session, begun), options.requestTimeout * 1000),
  };
  calls.push(begun);
  connection.send(request);
}

function expired(session: SessionState, late: Call): void {
  const { calls, connection, options } = session;
  const { request } = late;
  failCall(calls, late, `the server did not answer within ${options.requestTimeout} s`, 504);
  // MCP lifecycle: initialize is never cancelled, so its server is of no use any more.
  if (request.method === 'initialize') return void close(session, 'the server did not answer initialize', 504);
  tell(session, { method: 'notifications/cancelled', params: { requestId: request.id, reason: 'timeout' } });
  connection.suspect();
}
