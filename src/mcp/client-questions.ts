/**
 * What a server of the sessions era asks its client, as rounds of the call that is under way (2026-07-28 patterns,
 * multi round-trip requests): the call is answered with the questions and waits until its client is back.
 */

import { able, capabilityFor } from './client-capabilities.ts';
import { find } from './json-text.ts';
import { inputRequired } from './legacy-wire.ts';
import { isObject, type Params, type Request, type Response, rpcCode, write } from './message.ts';
import { type Call, failure, rawId, type Sink } from './modern-server.ts';
import type { ParkedCalls } from './parked-calls.ts';
import { type PendingCall, soleOwner } from './pending-call.ts';
import type { RisingMap } from './rising-map.ts';

export interface ClientQuestions {
  /** A request of the server: becomes a question of one of the calls, or is refused. */
  route(ask: Request): void;
  /** The server's answer to a call. */
  settle(call: PendingCall, response: Response): void;
  /** The server no longer wants to know. */
  withdraw(id: unknown): void;
  /** Nobody waits for the call any more. It is said to the server, which may go on for a while all the same. */
  abandon(call: PendingCall, reason: string): void;
}

export interface ClientQuestionsOptions {
  readonly calls: RisingMap<PendingCall>;
  /** Of the clients, as the server was told. */
  readonly capabilities: Params;
  /** JSON. */
  readonly serverInfo: string;
  readonly parking: ParkedCalls;
  send(line: Buffer): void;
  /** Hands the answer to the client that waits. */
  deliver(call: PendingCall, response: Response): void;
}

/** 2026-07-28 patterns, multi round-trip requests: the only ones that may be answered with questions. */
const askable: readonly string[] = ['tools/call', 'prompts/get', 'resources/read'];
/** Milliseconds that questions are gathered for, so that those asked together travel together. */
const gather = 5;
const mostAsks = 100;

export function clientQuestions(options: ClientQuestionsOptions): ClientQuestions {
  const { calls, capabilities, serverInfo, parking, send } = options;
  let asked = 0;

  const tell = (value: Params) => send(write(value).bytes);
  const refuse = (ask: Request, message: string, code: number = rpcCode.internalError) =>
    send(failure(ask, message, code).bytes);

  const settle = (call: PendingCall, response: Response) => {
    if (!call.sink) {
      call.answer = response;
      return;
    }
    options.deliver(call, response);
    // What it has not been answered turns out to be the question of another call.
    const others = [...call.asks.values()];
    call.asks.clear();
    for (const ask of others) route(ask);
  };

  /** Stdio does not say which call made the server ask. Among those of one caller it makes no difference: the answer is the server's. */
  const route = (ask: Request) => {
    const owner = soleOwner(calls);
    const candidates = calls
      .values()
      .filter((call) => call.owner === owner && call.leftAt === undefined && askable.includes(call.request.method));
    const waiting = candidates.filter(({ sink }) => sink);
    const call = waiting.findLast(({ asks }) => asks.size === 0) ?? waiting.at(-1) ?? candidates.at(-1);
    if (!able(capabilities, ask)) {
      if (call) call.missing = capabilityFor(ask);
      return refuse(ask, `the client cannot be asked for ${ask.method}`, rpcCode.methodNotFound);
    }
    if (!call || call.asks.size >= mostAsks) return refuse(ask, 'there is no request that could carry this question');
    call.asks.set(`${ask.method.split('/')[0]}-${++asked}`, ask);
    if (call.asks.size === 1 && call.sink) setTimeout(() => put(call), gather);
  };

  /** Answers the call with what the server wants to know, and keeps the call until its client is back. */
  const put = (call: PendingCall) => {
    const { sink, asks, request, owner } = call;
    if (!sink || asks.size === 0) return;
    const place = parking.park(owner, request, {
      resume: (again, to) => resume(call, again, to),
      expire: () => abandon(call, 'the client did not come back'),
    });
    if (!place) {
      for (const ask of asks.values()) refuse(ask, 'too many calls wait for their clients');
      return asks.clear();
    }
    call.place = place;
    call.sink = undefined;
    const questions = [...asks].map(([key, ask]): [string, string] => [key, questionOf(ask)]);
    sink.respond(inputRequired(request, new Map(questions), serverInfo, place.state));
  };

  const resume = (call: PendingCall, request: Request, sink: Sink): Call => {
    call.place = undefined;
    call.request = request;
    call.sink = sink;
    const { inputResponses } = request.params;
    for (const [key, ask] of call.asks) {
      const span = find(request.bytes, ['params', 'inputResponses', key]);
      // An answer that is missing is asked for again; more than was asked is ignored.
      if (!span || !isObject(inputResponses) || !isObject(inputResponses[key])) continue;
      call.asks.delete(key);
      const result = request.bytes.toString('utf8', span.start, span.end);
      send(Buffer.from(`{"jsonrpc":"2.0","id":${rawId(ask)},"result":${result}}`));
    }
    if (call.answer) settle(call, call.answer);
    else put(call);
    return { cancel: () => call.sink === sink && abandon(call, 'the client closed the connection') };
  };

  /** Tells the server, which may go on for a while all the same. */
  const abandon = (call: PendingCall, reason: string) => {
    call.sink = undefined;
    call.place = undefined;
    call.leftAt = Date.now();
    for (const ask of call.asks.values()) refuse(ask, reason);
    call.asks.clear();
    if (calls.get(call.number)) tell({ method: 'notifications/cancelled', params: { requestId: call.number, reason } });
  };

  return {
    route,
    settle,
    withdraw(id) {
      for (const { asks } of calls.values()) {
        for (const [key, ask] of asks) if (ask.id === id) asks.delete(key);
      }
    },
    abandon,
  };
}

function questionOf({ bytes, method }: Request): string {
  const params = find(bytes, ['params']);
  const text = params && `,"params":${bytes.toString('utf8', params.start, params.end)}`;
  return `{"method":${JSON.stringify(method)}${text ?? ''}}`;
}
