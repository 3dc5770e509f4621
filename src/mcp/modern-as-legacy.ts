/**
 * A modern server as a legacy session sees it. The session lives in the gateway: it is initialized from what the server
 * said about itself, and what the server wants to know in the middle of a call is asked of the client as a request.
 */

import type { Connection, ConnectionEvents } from './connection.ts';
import { find } from './json-text.ts';
import {
  isId,
  isObject,
  keyOf,
  type Notification,
  type Params,
  type Request,
  type Response,
  rpcCode,
  textOf,
} from './message.ts';
import { metaKey, modernVersions } from './modern-revision.ts';
import { type Call, failure, type ModernServer, success } from './modern-server.ts';
import { type Retry, stamped, unstamped, withoutSubscription, withoutTasks } from './modern-wire.ts';
import { isLegacy, latest } from './protocol-version.ts';
import { type Round, sessionQuestions } from './session-questions.ts';
import { sessionSubscription, watchable } from './session-subscription.ts';

export interface ModernAsLegacyOptions {
  readonly server: ModernServer;
  /** Another one, where that has ended: no state was lost with it. Rejects with Unavailable or a Refusal. */
  reopen(): Promise<ModernServer>;
  readonly owner: string;
  readonly events: ConnectionEvents;
  /** The session is over; what it had to itself may end. */
  release(server: ModernServer, reason: string): Promise<void>;
}

interface Pending {
  readonly request: Request;
  rounds: number;
  round: Round | undefined;
  running: Call | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** RFC 5424 §6.2.1; what a server of the sessions era says to a client that never set a level is left to it. */
const levels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];
const usualLevel = 'info';
/** Rounds in one call. */
const mostRounds = 1000;
/** Milliseconds before a call is tried again that the server only put off. */
const pace = 200;
/** Requests of former revisions that no modern server knows. */
const gone = /^tasks\//;

export function modernAsLegacy({ server: first, reopen, owner, events, release }: ModernAsLegacyOptions): Connection {
  const { discovered } = first;
  const calls = new Map<string, Pending>();
  const questions = sessionQuestions(events);
  let server = first;
  let opening: Promise<ModernServer> | undefined;
  let closed = false;
  let client: { readonly capabilities: Params; readonly info: unknown } = { capabilities: {}, info: undefined };
  let level = 'logging' in discovered.capabilities ? usualLevel : undefined;

  const about = (): Params => ({
    [metaKey.protocolVersion]: modernVersions[0],
    [metaKey.clientCapabilities]: client.capabilities,
    ...(client.info !== undefined && { [metaKey.clientInfo]: client.info }),
    ...(level !== undefined && { [metaKey.logLevel]: level }),
  });

  const open = async (): Promise<ModernServer> => {
    if (!server.over()) return server;
    opening ??= reopen().finally(() => {
      opening = undefined;
    });
    server = await opening;
    if (closed) void release(server, 'the session is over');
    return server;
  };

  const subscription = sessionSubscription({
    capabilities: discovered.capabilities,
    owner,
    about,
    open,
    changed: (message) => events.message({ ...message, bytes: withoutSubscription(message.bytes) }, null),
  });

  const answer = (request: Request, result: Params) => events.message(success(request, result));

  const drop = (call: Pending) => {
    clearTimeout(call.timer);
    return calls.get(keyOf(call.request.id)) === call && calls.delete(keyOf(call.request.id));
  };

  const finish = (call: Pending, response: Response) => {
    if (drop(call)) events.message(response);
  };

  const cancel = (call: Pending, reason: string) => {
    if (!drop(call)) return;
    call.running?.cancel(reason);
    call.round?.withdraw(reason);
  };

  const run = async (call: Pending, retry?: Retry) => {
    let to = server;
    if (to.over()) {
      try {
        to = await open();
      } catch (error) {
        return finish(call, failure(call.request, (error as Error).message));
      }
    }
    // Cancelled while another server started.
    if (calls.get(keyOf(call.request.id)) !== call) return;
    const sink = {
      notify: (message: Notification) => events.message(message, call.request.id),
      respond: (response: Response) => settle(call, response),
    };
    call.running = to.call(stamped(call.request, about(), retry), sink, { owner });
  };

  const settle = (call: Pending, response: Response) => {
    const { request } = call;
    const kind = isObject(response.result) ? (response.result.resultType ?? 'complete') : 'complete';
    if (kind === 'complete') return finish(call, unstamped(response, request));
    if (kind === 'input_required') return inquire(call, response);
    finish(
      call,
      failure(request, `the server answered with ${JSON.stringify(textOf(kind))}, which this revision does not have`),
    );
  };

  /** 2026-07-28 multi round-trip requests: every question is put, then the call is made again with all answers. */
  const inquire = (call: Pending, response: Response) => {
    const { request } = call;
    const { bytes } = response;
    const span = find(bytes, ['result', 'requestState']);
    const requestState = span && bytes.toString('utf8', span.start, span.end);
    const { inputRequests = {} } = response.result as Params;
    if (++call.rounds > mostRounds) return finish(call, failure(request, 'the server asks again and again'));
    if (isObject(inputRequests) && Object.keys(inputRequests).length === 0) {
      call.timer = setTimeout(() => void run(call, { inputResponses: '{}', requestState }), pace);
      return;
    }
    const round = questions.put(request, response, client.capabilities, (outcome) => {
      if ('refused' in outcome) return finish(call, failure(request, outcome.refused));
      void run(call, { inputResponses: outcome.inputResponses, requestState });
    });
    if (typeof round === 'string') return finish(call, failure(request, round));
    call.round = round;
  };

  const initialize = (request: Request) => {
    const { protocolVersion: wanted, capabilities, clientInfo } = request.params;
    client = { capabilities: withoutTasks(capabilities), info: clientInfo };
    answer(request, {
      protocolVersion: typeof wanted === 'string' && isLegacy(wanted) ? wanted : latest,
      capabilities: withoutTasks(discovered.capabilities),
      serverInfo: discovered.serverInfo ?? { name: 'unknown', version: '0' },
      ...(discovered.instructions !== undefined && { instructions: discovered.instructions }),
    });
  };

  const subscribe = async (request: Request, uri: string) => {
    const refused = await subscription.subscribe(uri);
    if (refused !== undefined) return events.message(failure(request, refused));
    answer(request, {});
  };

  /** What the gateway answers itself; undefined where the server has to. */
  const own = (request: Request): (() => void) | undefined => {
    const { method, params } = request;
    const refuse = (code: number, text: string) => () => events.message(failure(request, text, code));
    const { uri } = params;
    switch (method) {
      case 'initialize':
        return () => initialize(request);
      case 'ping':
        return () => answer(request, {});
      case 'logging/setLevel':
        if (!('logging' in discovered.capabilities)) break;
        if (!levels.includes(textOf(params.level))) return refuse(rpcCode.invalidParams, 'no such log level');
        return () => {
          level = textOf(params.level);
          answer(request, {});
        };
      case 'resources/subscribe':
      case 'resources/unsubscribe':
        if (!watchable(discovered.capabilities)) break;
        if (typeof uri !== 'string') return refuse(rpcCode.invalidParams, '"params.uri" must be a string');
        if (method === 'resources/subscribe') return () => void subscribe(request, uri);
        return () => {
          subscription.unsubscribe(uri);
          answer(request, {});
        };
      default:
        if (!gone.test(method)) return undefined;
    }
    return refuse(rpcCode.methodNotFound, `Method not found: ${method}`);
  };

  const notified = ({ method, params }: Notification) => {
    if (method === 'notifications/initialized') subscription.begin();
    if (method !== 'notifications/cancelled' || !isId(params.requestId)) return;
    const call = calls.get(keyOf(params.requestId));
    if (call) cancel(call, typeof params.reason === 'string' ? params.reason : 'cancelled by the client');
  };

  return {
    send(message) {
      if (closed) return;
      if (message.kind === 'response') return questions.answered(message);
      if (message.kind === 'notification') return notified(message);
      const local = own(message);
      if (local) return local();
      const call: Pending = { request: message, rounds: 0, round: undefined, running: undefined, timer: undefined };
      calls.set(keyOf(message.id), call);
      void run(call);
    },
    backlog: () => server.backlog(),
    suspect: () => server.suspect(),
    async close(reason) {
      closed = true;
      subscription[Symbol.dispose]();
      for (const call of [...calls.values()]) cancel(call, reason);
      await release(server, reason);
    },
  };
}
