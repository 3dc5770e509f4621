/**
 * A server of the sessions era as the modern era sees it. One initialized connection serves many requests that stand by
 * themselves; what the server asks of its client becomes a round trip of the call that is under way.
 */

import type { Log } from '../log.ts';
import { changeListeners } from './change-listeners.ts';
import type { Child, Ending } from './child.ts';
import { clientQuestions } from './client-questions.ts';
import type { Handshake } from './handshake.ts';
import { rank } from './interests.ts';
import { find, splice } from './json-text.ts';
import { asLegacy, asModern, discoverable, logLevelOf } from './legacy-wire.ts';
import {
  isObject,
  type Notification,
  numberOf,
  type Params,
  ping,
  type Request,
  type Response,
  rpcCode,
  write,
} from './message.ts';
import { type Discovered, metaKey, modernCode, modernVersions } from './modern-revision.ts';
import { type Call, failure, isListen, type ModernServer, type Sink, success } from './modern-server.ts';
import type { ParkedCalls } from './parked-calls.ts';
import { forgetCancelled, type PendingCall, soleOwner } from './pending-call.ts';
import { risingMap } from './rising-map.ts';

export interface LegacyAsModernOptions {
  /** Initialized; nobody else speaks to it. */
  readonly peer: Pick<Child, 'listen' | 'send' | 'suspect' | 'over' | 'backlog' | 'end'>;
  readonly handshake: Handshake;
  /** Of the clients, as the server was told. */
  readonly capabilities: Params;
  readonly parking: ParkedCalls;
  readonly log: Log;
  readonly ended: (ending: Ending) => void;
}

/** Seconds that an answer to the gateway's own requests is waited for. */
const orderPatience = 10;

export function legacyAsModern(options: LegacyAsModernOptions): ModernServer {
  const { peer, handshake, capabilities, parking, log } = options;
  const calls = risingMap<PendingCall>();
  const orders = new Map<number, (agreed: boolean) => void>();
  const discovered: Discovered = {
    versions: modernVersions,
    capabilities: discoverable(handshake),
    serverInfo: isObject(handshake.serverInfo) ? handshake.serverInfo : undefined,
    instructions: typeof handshake.instructions === 'string' ? handshake.instructions : undefined,
  };
  const info = discovered.serverInfo ?? { name: 'unknown', version: '0' };
  const serverInfo = JSON.stringify(info);
  let last = 0;
  let level: string | undefined;

  const tell = (value: Params) => peer.send(write(value).bytes);

  const order = (method: string, params: Params): Promise<boolean> => {
    const id = ++last;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), orderPatience * 1000);
    orders.set(id, resolve);
    tell({ id, method, params });
    return promise.finally(() => {
      clearTimeout(timer);
      orders.delete(id);
    });
  };
  const listeners = changeListeners({ capabilities: discovered.capabilities, order });

  const deliver = (call: PendingCall, response: Response) => {
    const { request, sink, missing } = call;
    call.sink = undefined;
    if (response.error !== undefined && missing) {
      // TR-31: it could not do without.
      const data = { requiredCapabilities: missing };
      return sink?.respond(failure(request, 'Missing required client capability', modernCode.missingCapability, data));
    }
    const { response: translated, status } = asModern(response, request, serverInfo, capabilities);
    sink?.respond(translated, status);
  };

  const questions = clientQuestions({ calls, capabilities, serverInfo, parking, send: peer.send, deliver });

  const respond = (response: Response) => {
    const number = typeof response.id === 'number' ? response.id : -1;
    orders.get(number)?.(response.error === undefined);
    const call = calls.get(number);
    if (!call) return;
    calls.delete(number);
    if (call.leftAt !== undefined) return;
    questions.settle(call, response);
  };

  const begin = (request: Request, sink: Sink, owner: string): Call => {
    const number = ++last;
    const call: PendingCall = {
      number,
      owner,
      request,
      sink,
      asks: new Map(),
      place: undefined,
      missing: undefined,
      answer: undefined,
      leftAt: undefined,
    };
    forgetCancelled(calls);
    calls.set(number, call);
    // ST-06: its end may not have been noticed when the request came, but is never waited for.
    if (peer.over()) fail('the server has ended');
    hush(logLevelOf(request.params));
    peer.send(asLegacy(request, number));
    return { cancel: (reason) => call.sink === sink && questions.abandon(call, reason) };
  };

  /** The level is one for the whole process: the lowest that anybody has wanted. The rest is left out on the way. */
  const hush = (wanted: string | undefined) => {
    if (wanted === undefined || rank(wanted) < 0 || discovered.capabilities.logging === undefined) return;
    if (level !== undefined && rank(level) <= rank(wanted)) return;
    level = wanted;
    void order('logging/setLevel', { level });
  };

  const notification = (message: Notification) => {
    const { method, params, bytes } = message;
    if (listeners.changed(message)) return;
    if (method === 'notifications/progress') {
      const call = calls.get(numberOf(params.progressToken));
      const token = call && find(call.request.bytes, ['params', '_meta', 'progressToken']);
      const span = find(bytes, ['params', 'progressToken']);
      if (!call?.sink || !token || !span) return;
      const text = call.request.bytes.toString('utf8', token.start, token.end);
      const progress = { ...params, progressToken: JSON.parse(text) };
      return call.sink.notify({ ...message, params: progress, bytes: splice(bytes, [{ ...span, text }]) });
    }
    if (method === 'notifications/message') {
      // TR-33: only for those who asked, and only where it can be told whose it is.
      const call = calls
        .values()
        .findLast(
          ({ sink, request }) =>
            sink &&
            rank(params.level) >= rank(logLevelOf(request.params) ?? '') &&
            logLevelOf(request.params) !== undefined,
        );
      if (call?.sink && soleOwner(calls) === call.owner) call.sink.notify(message);
      return;
    }
    if (method !== 'notifications/cancelled') return log.debug('notification that belongs to no request', { method });
    questions.withdraw(params.requestId);
  };

  const fail = (reason: string) => {
    const lost = calls.values();
    calls.clear();
    for (const call of lost) {
      call.place?.leave();
      call.sink?.respond(failure(call.request, reason), 502);
      call.sink = undefined;
    }
    for (const resolve of orders.values()) resolve(false);
    listeners.end();
  };

  peer.listen({
    message(message) {
      if (message.kind === 'response') respond(message);
      else if (message.kind === 'notification') notification(message);
      // ST-10
      else if (message.method === 'ping') tell({ id: message.id, result: {} });
      else questions.route(message);
    },
    ended(ending) {
      options.ended(ending);
      fail(ending.reason);
    },
  });

  const nothing: Call = { cancel() {} };

  return {
    discovered,
    call(request, sink, { owner }) {
      const { method, params } = request;
      if (method === 'server/discover') {
        sink.respond(success(request, discovery(discovered, info)));
        return nothing;
      }
      if (isListen(request)) return listeners.open(request, sink);
      // The tasks of either era are not those of the other.
      if (method.startsWith('tasks/')) {
        sink.respond(failure(request, `Method not found: ${method}`, rpcCode.methodNotFound));
        return nothing;
      }
      if (params.requestState === undefined) return begin(request, sink, owner);
      const parked = parking.take(owner, request);
      if (parked) return parked.resume(request, sink);
      sink.respond(failure(request, 'the requestState is not valid, or not any more', rpcCode.invalidParams));
      return nothing;
    },
    // What clients of the modern era have to say, these servers do not know.
    notify() {},
    suspect: () => peer.suspect(ping(++last).bytes),
    idle() {
      // A server need not answer what was cancelled.
      return listeners.size === 0 && calls.values().every(({ leftAt }) => leftAt !== undefined);
    },
    over: () => peer.over(),
    backlog: () => peer.backlog(),
    async close(reason) {
      fail(reason);
      await peer.end(reason);
    },
  };
}

function discovery({ versions, capabilities, instructions }: Discovered, serverInfo: Params): Params {
  return {
    resultType: 'complete',
    supportedVersions: versions,
    capabilities,
    ...(instructions !== undefined && { instructions }),
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { [metaKey.serverInfo]: serverInfo },
  };
}
