/**
 * One child that speaks 2026-07-28, shared by any number of requests. Over stdio only ids tell messages apart, so
 * request ids, progress tokens and subscription ids are the gateway's own towards the child (TR-43, TR-44, ST-14).
 */

import type { Log } from '../log.ts';
import type { Child, Ending } from './child.ts';
import { find, type Span, splice } from './json-text.ts';
import {
  isObject,
  type Message,
  type Notification,
  type Params,
  type Request,
  type Response,
  write,
} from './message.ts';
import { type Discovered, metaKey, metaOf } from './modern-revision.ts';
import { failure, isListen, type ModernServer, rawId, type Sink, subscriptionOver } from './modern-server.ts';
import { discoverRequest } from './probe.ts';
import { risingMap } from './rising-map.ts';

export interface ModernChildOptions {
  /** One that has answered `server/discover` and is asked nothing else by anybody. */
  readonly child: Child;
  readonly discovered: Discovered;
  readonly log: Log;
  readonly ended: (ending: Ending) => void;
}

interface Pending {
  readonly sink: Sink;
  readonly owner: string;
  readonly request: Request;
  /** As the client wrote them, so that they go back byte for byte. */
  readonly id: string;
  readonly token: string | undefined;
  readonly logs: boolean;
}

export function modernChild({ child, discovered, log, ended }: ModernChildOptions): ModernServer {
  const calls = risingMap<Pending>();
  let last = 0;

  const callOf = (id: unknown) => (typeof id === 'number' ? calls.get(id) : undefined);

  const respond = (response: Response) => {
    const call = callOf(response.id);
    // TR-14: what comes after a cancellation belongs to nobody.
    if (!call) return log.debug('answer to no call', { id: response.id });
    calls.delete(Number(response.id));
    call.sink.respond(restored(response, call));
  };

  const notification = (message: Notification) => {
    const { params, method } = message;
    const subscription = callOf(metaOf(params)[metaKey.subscriptionId]);
    if (subscription) return toSubscription(subscription, message);
    if (method === 'notifications/progress') {
      const call = callOf(params.progressToken);
      const span = find(message.bytes, ['params', 'progressToken']);
      if (call?.token === undefined || !span) return;
      const bytes = splice(message.bytes, [{ ...span, text: call.token }]);
      return call.sink.notify({ ...message, params: { ...params, progressToken: JSON.parse(call.token) }, bytes });
    }
    if (method === 'notifications/message') return logged(message);
    const cancelled = method === 'notifications/cancelled' ? callOf(params.requestId) : undefined;
    if (!cancelled || !isListen(cancelled.request)) {
      return log.debug('notification that belongs to no request', { method });
    }
    // TR-35, 2026-07-28 cancellation: over stdio a server may end a subscription so, and nothing else.
    calls.delete(Number(params.requestId));
    cancelled.sink.respond(subscriptionOver(cancelled.request));
  };

  const toSubscription = ({ sink, id, request }: Pending, message: Notification) => {
    const span = find(message.bytes, ['params', '_meta', metaKey.subscriptionId]);
    if (!span) return;
    const params: Params = {
      ...message.params,
      _meta: { ...metaOf(message.params), [metaKey.subscriptionId]: request.id },
    };
    sink.notify({ ...message, params, bytes: splice(message.bytes, [{ ...span, text: id }]) });
  };

  /**
   * TR-33: stdio does not say whose log line it is. Where only one caller has calls under way it is for the latest of his
   * that asked for any; where there are others it could be about theirs, asked for or not.
   */
  const logged = (message: Notification) => {
    const busy = calls.values().filter(({ request }) => !isListen(request));
    const latest = busy.findLast(({ logs }) => logs);
    if (latest && busy.every(({ owner }) => owner === latest.owner)) latest.sink.notify(message);
  };

  const fail = (reason: string) => {
    const lost = calls.values();
    calls.clear();
    for (const { request, sink } of lost) {
      // TR-35, ST-15: whoever listens is told that this subscription is over, and may listen again.
      if (isListen(request)) sink.respond(subscriptionOver(request));
      else sink.respond(failure(request, reason), 502);
    }
  };

  child.listen({
    message(message: Message) {
      if (message.kind === 'response') respond(message);
      else if (message.kind === 'notification') notification(message);
      // TR-32, ST-12: servers of this era ask nothing, and their input takes no answers.
      else log.debug('request from a modern server', { method: message.method });
    },
    ended(ending) {
      ended(ending);
      fail(ending.reason);
    },
  });

  return {
    discovered,
    call(request, sink, { owner }) {
      const id = ++last;
      const { bytes, params } = request;
      const idSpan = find(bytes, ['id']);
      const tokenSpan = find(bytes, ['params', '_meta', 'progressToken']);
      calls.set(id, {
        sink,
        owner,
        request,
        id: rawId(request),
        token: tokenSpan && bytes.toString('utf8', tokenSpan.start, tokenSpan.end),
        logs: metaOf(params)[metaKey.logLevel] !== undefined,
      });
      // ST-06: its end may not have been noticed when the request came, but is never waited for.
      if (child.over()) fail('the server has ended');
      child.send(replaced(bytes, [idSpan, tokenSpan], String(id)));
      return {
        cancel(reason) {
          if (!calls.delete(id)) return;
          // ST-13: over stdio a closed connection has to be said.
          child.send(write({ method: 'notifications/cancelled', params: { requestId: id, reason } }).bytes);
        },
      };
    },
    notify: (message) => child.send(message.bytes),
    suspect: () => child.suspect(discoverRequest.bytes),
    idle: () => calls.size() === 0,
    over: child.over,
    backlog: child.backlog,
    async close(reason) {
      fail(reason);
      await child.end(reason);
    },
  };
}

/** With the client's id wherever the child wrote ours. */
function restored(response: Response, { request, id }: Pending): Response {
  const spans = [find(response.bytes, ['id'])];
  if (isListen(request)) spans.push(find(response.bytes, ['result', '_meta', metaKey.subscriptionId]));
  const { result } = response;
  const closing = isListen(request) && isObject(result) && isObject(result._meta);
  return {
    ...response,
    id: request.id,
    ...(closing && { result: { ...result, _meta: { ...metaOf(result), [metaKey.subscriptionId]: request.id } } }),
    bytes: replaced(response.bytes, spans, id),
  };
}

function replaced(bytes: Buffer, spans: readonly (Span | undefined)[], text: string): Buffer {
  return splice(
    bytes,
    spans.filter((span) => span !== undefined).map((span) => ({ ...span, text })),
  );
}
