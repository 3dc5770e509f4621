/** One legacy session: which of the server's messages goes to which stream of the client, and back. */

import type { Log } from '../log.ts';
import type { Answer, Caller, Exchange } from '../router/handler.ts';
import { accepted } from './accept.ts';
import { type Called, outcomeOf } from './called.ts';
import { callTable } from './calls.ts';
import type { Ending } from './child.ts';
import type { BridgeLimits } from './config.ts';
import type { Connection } from './connection.ts';
import { type EventStream, eventStreams } from './event-stream.ts';
import {
  type Id,
  isId,
  isObject,
  type Message,
  type Notification,
  type Request,
  type Response,
  RpcFault,
  rpcCode,
  textOf,
  write,
} from './message.ts';
import { type Answering, answeringOn, postAnswer } from './post-answer.ts';
import { primes } from './protocol-version.ts';
import type { ToolPolicy } from './tool-policy.ts';
import { Unavailable } from './unavailable.ts';

export interface Session {
  readonly id: string;
  /** Whom it belongs to. */
  readonly caller: Caller | undefined;
  /** Whom it counts against. */
  readonly account: string;
  /** As the server answered initialize; undefined until it has. */
  readonly version: string | undefined;
  /** A call or a stream is open. */
  readonly busy: boolean;
  /** Milliseconds since the epoch. */
  readonly openedAt: number;
  readonly lastUsed: number;
  /** The client has said that it got the answer to initialize. */
  readonly confirmed: boolean;
  /** Throws RpcFault or Unavailable, before anything reaches the server. */
  post(exchange: Exchange, messages: readonly Message[], batch: boolean): Answer | Promise<Answer>;
  /** The standing stream, or the one that `lastEventId` was on. False where that one was forgotten. */
  listen(exchange: Exchange, lastEventId: string | undefined): boolean;
  readonly standing: EventStream;
  /** As `post`, for the transport of 2024-11-05: everything goes to the standing stream, also answers. */
  accept(exchange: Exchange, messages: readonly Message[]): void;
  /** What the server says; `about` is the call that it belongs to, null for none, where that is known. */
  receive(message: Message, about?: Id | null): void;
  /** The server is gone: every call fails at once. */
  failed(ending: Ending): void;
  sweep(): void;
  close(reason: string, status?: number): Promise<void>;
}

export interface SessionOptions {
  readonly id: string;
  readonly caller: Caller | undefined;
  readonly account: string;
  readonly log: Log;
  readonly limits: BridgeLimits;
  /** Seconds. */
  readonly requestTimeout: number;
  readonly policy: ToolPolicy;
  readonly called: Called;
  readonly connection: Promise<Connection>;
  /** Once; the session is to be forgotten. */
  readonly closed: () => void;
}

/** Requests of the server that wait for the client. */
const mostAsked = 1000;

export async function openSession(options: SessionOptions): Promise<Session> {
  const { id, caller, account, log, limits, policy } = options;
  const connection = await options.connection;
  /** The server's requests that the client has not answered. */
  const asked = new Map<unknown, { readonly at: number; refuse(text: string): void }>();
  let version: string | undefined;
  let confirmed = false;
  let over = false;
  let lastUsed = Date.now();
  const openedAt = lastUsed;
  const streams = eventStreams({
    keep: limits.eventLog,
    pressure: (on) => (connection.hold ? connection.hold(on) : on && streams.cut()),
  });

  const tell = (value: Readonly<Record<string, unknown>>) => connection.send(write(value));

  const calls = callTable(options.requestTimeout, ({ request }) => {
    // MCP lifecycle: initialize is never cancelled, so its server is of no use any more.
    if (request.method === 'initialize') return void close('the server did not answer initialize', 504);
    tell({ method: 'notifications/cancelled', params: { requestId: request.id, reason: 'timeout' } });
    connection.suspect();
  });

  const respond = (response: Response) => {
    const call = calls.get(response.id);
    lastUsed = Date.now();
    if (!call) return log.debug('answer to no call', { id: response.id });
    if (call.request.method === 'initialize') {
      if (response.error !== undefined) {
        calls.settle(call, response.bytes, 'error');
        return void close('the server refused to initialize');
      }
      version = negotiated(response.result);
    }
    const bytes = call.request.method === 'tools/list' ? policy.filter(response) : response.bytes;
    calls.settle(call, bytes, outcomeOf(response));
  };

  /** TR-16: to exactly one stream. The one POST in flight is what the server most likely speaks about. */
  const route = (message: Request | Notification, about: Id | null | undefined, lost?: () => void) => {
    if (about === null && streams.standing.attached) return streams.standing.send(message.bytes, lost);
    if (about !== undefined && about !== null && calls.get(about)?.answer.precede(message.bytes, lost)) return;
    const answers = calls.streaming;
    const reachable = answers.filter((answer) => answer.reachable());
    const must = message.kind === 'request' && !streams.standing.attached;
    const one = reachable.length === 1 || must ? reachable.at(-1) : undefined;
    // Nobody reads anything now: what was begun may be resumed.
    const begun = reachable.length === 0 && !streams.standing.attached ? answers.at(-1) : undefined;
    const answer = one ?? begun;
    if (answer) answer.precede(message.bytes, lost);
    else streams.standing.send(message.bytes, lost);
  };

  const ask = (request: Request, about: Id | null | undefined) => {
    const refuse = (text: string) => {
      asked.delete(request.id);
      if (!over) tell({ id: request.id, error: { code: rpcCode.internalError, message: text } });
    };
    // ST-10: a server that wants to know whether anybody is there is answered also while no client listens.
    if (request.method === 'ping' && streams.attached === 0) return tell({ id: request.id, result: {} });
    if (asked.size >= mostAsked) return refuse('too many requests are waiting for the client');
    asked.set(request.id, { at: Date.now(), refuse });
    route(request, about, () => refuse('the client does not listen'));
  };

  const receive = (message: Message, about?: Id | null) => {
    if (over) return;
    if (message.kind === 'response') return respond(message);
    if (message.kind === 'request') return ask(message, about);
    if (message.method === 'notifications/cancelled') asked.delete(message.params.requestId);
    const call =
      message.method === 'notifications/progress' ? calls.progressed(message.params.progressToken) : undefined;
    if (!call) return route(message, about);
    if (!call.answer.precede(message.bytes)) streams.standing.send(message.bytes);
  };

  const forward = (message: Message) => {
    if (message.kind === 'response') {
      // Only what was asked: the server cannot be told apart otherwise whom it hears.
      if (asked.delete(message.id)) connection.send(message);
      return;
    }
    if (message.method === 'notifications/initialized') confirmed = true;
    if (message.method === 'notifications/cancelled') {
      const { requestId } = message.params;
      const call = isId(requestId) ? calls.get(requestId) : undefined;
      if (!call || call.request.method === 'initialize') return;
      connection.send(message);
      // The server need not answer any more, but the POST has to end.
      return calls.fail(call, 'cancelled by the client', 200);
    }
    connection.send(message);
  };

  const admit = (requests: readonly Request[]) => {
    if (over) throw new Unavailable(503, 'the session is ending', { retryAfter: 1 });
    if (connection.backlog > limits.message || calls.size + requests.length > limits.callsPerSession) {
      throw new Unavailable(503, 'the server is behind with this session', { retryAfter: 1 });
    }
    for (const request of requests) {
      const { id } = request;
      if (calls.get(id) || requests.find((one) => one.id === id) !== request)
        throw new RpcFault(rpcCode.invalidRequest, 'a request with this id is in flight', id);
    }
  };

  const post = (exchange: Exchange, messages: readonly Message[], batch: boolean): Answer | Promise<Answer> => {
    const requests = messages.filter((message) => message.kind === 'request');
    admit(requests);
    lastUsed = Date.now();
    if (requests.length === 0) {
      for (const message of messages) forward(message);
      return { status: 202 };
    }
    const initialize = requests[0]?.method === 'initialize' ? requests[0] : undefined;
    const answer = postAnswer({
      res: exchange.res,
      accepted: accepted(exchange.req),
      batch,
      count: requests.length,
      headers: initialize ? { 'mcp-session-id': id } : {},
      // A status can only be told before the stream begins, and a server that does not start needs one.
      ...(!initialize && { streamAfter: limits.streamAfter }),
      prime: primes(initialize ? textOf(initialize.params.protocolVersion) : version),
      open: streams.open,
    });
    if (!initialize && answer.streams() && !streams.standing.attached) {
      for (const { bytes, lost } of streams.standing.takeUnsent()) answer.precede(bytes, lost);
    }
    submit(exchange, messages, answer);
    return answer.reply;
  };

  const submit = (exchange: Exchange, messages: readonly Message[], answer: Answering) => {
    for (const message of messages) {
      if (message.kind !== 'request') forward(message);
      else call(exchange, message, answer);
    }
  };

  const call = (exchange: Exchange, request: Request, answer: Answering) => {
    const ended = options.called(exchange, request);
    const refused = policy.refuse(request);
    if (refused) {
      ended('refused');
      return answer.respond(refused);
    }
    calls.begin(request, answer, ended);
    connection.send(request);
  };

  const close = async (reason: string, status = 404) => {
    if (!over) {
      calls.failAll(reason, status);
      over = true;
      streams.close();
      options.closed();
      log.debug('session closed', { reason });
    }
    await connection.close(reason);
  };

  return {
    id,
    caller,
    account,
    get version() {
      return version;
    },
    get busy() {
      return calls.size > 0 || streams.attached > 0;
    },
    openedAt,
    get lastUsed() {
      return lastUsed;
    },
    get confirmed() {
      return confirmed;
    },
    post,
    listen(exchange, lastEventId) {
      const found = lastEventId === undefined ? { stream: streams.standing } : streams.find(lastEventId);
      if (!found) return false;
      lastUsed = Date.now();
      exchange.res.on('close', () => {
        lastUsed = Date.now();
      });
      found.stream.attach(
        exchange.res,
        {},
        { ...('after' in found && { after: found.after }), prime: primes(version) },
      );
      return true;
    },
    standing: streams.standing,
    accept(exchange, messages) {
      admit(messages.filter((message) => message.kind === 'request'));
      lastUsed = Date.now();
      submit(exchange, messages, answeringOn(streams.standing));
    },
    receive,
    failed(ending) {
      if (!over) log.warn('server ended', { reason: ending.reason, calls: calls.size, stderr: ending.stderr });
      void close(ending.reason, 502);
    },
    sweep() {
      streams.sweep(limits.keepAlive, limits.stalled);
      if (streams.attached > 0) return;
      // ST-11: no server is kept waiting for a client that listens nowhere.
      const long = Date.now() - limits.stalled * 1000;
      for (const { at, refuse } of [...asked.values()]) if (at <= long) refuse('the client does not listen');
    },
    close,
  };
}

function negotiated(result: unknown): string | undefined {
  return isObject(result) && typeof result.protocolVersion === 'string' ? result.protocolVersion : undefined;
}
