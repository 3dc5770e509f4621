/**
 * One child for several sessions. Ids, progress tokens and cancellations are rewritten, so that every session has a name
 * space of its own; what cannot be told whose it is goes to nobody unless all who could have caused it are one user.
 */

import type { Log } from '../log.ts';
import type { Child, Ending } from './child.ts';
import { able } from './client-capabilities.ts';
import type { Connection, ConnectionEvents } from './connection.ts';
import { type Handshake, handshakeResult } from './handshake.ts';
import { interests } from './interests.ts';
import { type Edit, find, splice } from './json-text.ts';
import {
  isObject,
  keyOf,
  type Notification,
  numberOf,
  type Params,
  ping,
  type Request,
  type Response,
  rpcCode,
  textOf,
  write,
} from './message.ts';
import { risingMap } from './rising-map.ts';

export interface SharedChild {
  /** `subject` is the user behind the session; sessions of one subject may see what concerns any of them. */
  join(subject: string, events: ConnectionEvents): Connection;
  over(): boolean;
}

export interface SharedChildOptions {
  readonly child: Child;
  readonly handshake: Handshake;
  readonly log: Log;
  /** Several users may sit here, now or later. */
  readonly strangers: boolean;
  /** The last session has left. */
  readonly empty: () => void;
  readonly ended: (ending: Ending) => void;
}

interface Seat {
  readonly subject: string;
  readonly events: ConnectionEvents;
  capabilities: Params;
}

interface Call {
  /** The id that the child knows it by. */
  readonly number: number;
  /** Undefined when the session has left before the answer came. */
  seat: Seat | undefined;
  readonly subject: string;
  readonly request: Request;
  /** As the client wrote them. */
  readonly rawId: string;
  readonly rawToken: string | undefined;
  leftAt: number;
}

const unable: Params = {};
/** Seconds after which a call of a session that left is no longer waited for. */
const patience = 60;

export function sharedChild(options: SharedChildOptions): SharedChild {
  const { child, handshake, log, strangers } = options;
  const seats = new Set<Seat>();
  const calls = risingMap<Call>();
  const asked = new Map<string, Seat>();
  const elicited = new Map<unknown, Seat>();
  const wants = interests<Seat>();
  let lastId = 0;

  const tell = (value: Readonly<Record<string, unknown>>) => child.send(write(value).bytes);
  const suspect = () => child.suspect(ping(++lastId).bytes);
  const order = (method: string, params: object) => tell({ id: ++lastId, method, params });

  /** The one user who may have caused what the child just said; undefined where there are several or none. */
  const soleSubject = (): string | undefined => {
    const subjects = new Set<string>();
    for (const seat of seats) subjects.add(seat.subject);
    for (const call of calls.values()) {
      if (call.seat === undefined && Date.now() - call.leftAt > patience * 1000) calls.delete(call.number);
      else subjects.add(call.subject);
    }
    const [only] = subjects;
    return subjects.size === 1 ? only : undefined;
  };

  /** Sessions with a call in flight, the latest first; all of them where there is none. */
  const concerned = (): readonly Seat[] => {
    if (soleSubject() === undefined) return [];
    const busy = new Set(
      calls
        .values()
        .toReversed()
        .flatMap(({ seat }) => seat ?? []),
    );
    return busy.size > 0 ? [...busy] : [...seats];
  };

  const received = (response: Response) => {
    const id = numberOf(response.id);
    const call = calls.get(id);
    if (!call) return;
    calls.delete(id);
    const { seat, request } = call;
    if (!seat) return;
    if (request.method === 'resources/subscribe' && response.error === undefined)
      wants.subscribed(seat, textOf(request.params.uri));
    const span = find(response.bytes, ['id']);
    const bytes = span ? splice(response.bytes, [{ ...span, text: call.rawId }]) : response.bytes;
    seat.events.message({ ...response, id: request.id, bytes });
  };

  const ask = (request: Request) => {
    const refuse = (code: number, message: string) => tell({ id: request.id, error: { code, message } });
    if (request.method === 'ping') return tell({ id: request.id, result: {} });
    const others = soleSubject() === undefined ? [] : seats;
    const seat = [...concerned(), ...others].find(({ capabilities }) => able(capabilities, request));
    if (!seat) return refuse(rpcCode.methodNotFound, `no client can be asked for ${request.method}`);
    asked.set(keyOf(request.id), seat);
    if (request.params.elicitationId !== undefined) elicited.set(request.params.elicitationId, seat);
    seat.events.message(request);
  };

  const progressed = (notification: Notification) => {
    const call = calls.get(numberOf(notification.params.progressToken));
    const span = find(notification.bytes, ['params', 'progressToken']);
    if (!call?.seat || call.rawToken === undefined || !span) return;
    const bytes = splice(notification.bytes, [{ ...span, text: call.rawToken }]);
    const progressToken = JSON.parse(call.rawToken);
    call.seat.events.message({ ...notification, params: { ...notification.params, progressToken }, bytes });
  };

  const heard = (notification: Notification): readonly Seat[] => {
    const { method, params } = notification;
    if (/^notifications\/(tools|prompts|resources)\/list_changed$/.test(method)) return [...seats];
    if (method === 'notifications/resources/updated') return wants.wanting(textOf(params.uri));
    if (method === 'notifications/message') return concerned().filter((seat) => wants.hears(seat, params.level));
    if (method === 'notifications/cancelled') {
      const seat = asked.get(keyOf(params.requestId));
      return seat ? [seat] : [];
    }
    const seat = method === 'notifications/elicitation/complete' ? elicited.get(params.elicitationId) : undefined;
    return seat ? [seat] : concerned();
  };

  const request = (seat: Seat, message: Request) => {
    const raw = (path: readonly string[]) => {
      const span = find(message.bytes, path);
      return span && { ...span, text: message.bytes.toString('utf8', span.start, span.end) };
    };
    const id = raw(['id']);
    if (!id) return;
    const answer = (outcome: { result: unknown } | { error: { code: number; message: string } }) => {
      const [name, value] = 'result' in outcome ? ['result', outcome.result] : ['error', outcome.error];
      const bytes = Buffer.from(`{"jsonrpc":"2.0","id":${id.text},"${name}":${JSON.stringify(value)}}`);
      seat.events.message({ kind: 'response', id: message.id, ...outcome, bytes });
    };
    const { method, params } = message;
    const edits: Edit[] = [];
    if (method === 'initialize') {
      if (isObject(params.capabilities)) seat.capabilities = params.capabilities;
      return answer({ result: handshakeResult(handshake, params.protocolVersion, strangers) });
    }
    // Tasks outlive the request and are listed for all: among strangers there is nothing they could be bound to.
    if (strangers && (method.startsWith('tasks/') || params.task !== undefined)) {
      return answer({ error: { code: rpcCode.methodNotFound, message: 'this server has no tasks' } });
    }
    if (method === 'resources/unsubscribe' && !wants.unsubscribe(seat, textOf(params.uri)))
      return answer({ result: {} });
    if (method === 'logging/setLevel') {
      const level = wants.setLevel(seat, textOf(params.level));
      const span = find(message.bytes, ['params', 'level']);
      if (level === undefined) return answer({ result: {} });
      if (span) edits.push({ ...span, text: JSON.stringify(level) });
    }
    const number = ++lastId;
    const token = raw(['params', '_meta', 'progressToken']);
    const { subject } = seat;
    calls.set(number, { number, seat, subject, request: message, rawId: id.text, rawToken: token?.text, leftAt: 0 });
    edits.push({ ...id, text: String(number) });
    if (token) edits.push({ ...token, text: String(number) });
    child.send(splice(message.bytes, edits));
  };

  const notification = (seat: Seat, message: Notification) => {
    const { method, params } = message;
    // The handshake with the child was the gateway's.
    if (method === 'notifications/initialized') return;
    if (method === 'notifications/roots/list_changed' && soleSubject() === undefined) return;
    if (method === 'notifications/cancelled') {
      const call = calls.values().findLast((one) => one.seat === seat && one.request.id === params.requestId);
      const span = find(message.bytes, ['params', 'requestId']);
      if (call && span) child.send(splice(message.bytes, [{ ...span, text: String(call.number) }]));
      return;
    }
    child.send(message.bytes);
  };

  const leave = (seat: Seat) => {
    if (!seats.delete(seat)) return;
    for (const call of calls.values()) {
      if (call.seat !== seat) continue;
      call.seat = undefined;
      call.leftAt = Date.now();
      tell({ method: 'notifications/cancelled', params: { requestId: call.number, reason: 'the client left' } });
    }
    for (const [key, of] of asked) {
      if (of !== seat) continue;
      asked.delete(key);
      tell({ id: JSON.parse(key), error: { code: rpcCode.internalError, message: 'the client left' } });
    }
    for (const [id, of] of elicited) if (of === seat) elicited.delete(id);
    const { uris, level } = wants.leave(seat);
    for (const uri of uris) order('resources/unsubscribe', { uri });
    if (level !== undefined) order('logging/setLevel', { level });
    if (seats.size === 0 && !child.over()) options.empty();
  };

  child.listen({
    message(message) {
      if (message.kind === 'response') return received(message);
      if (message.kind === 'request') return ask(message);
      if (message.method === 'notifications/progress') return progressed(message);
      const those = heard(message);
      if (those.length === 0) log.debug('notification for nobody', { method: message.method });
      for (const seat of those) seat.events.message(message);
    },
    ended(ending) {
      options.ended(ending);
      for (const seat of seats) seat.events.ended(ending);
    },
  });

  return {
    join(subject, events) {
      const seat: Seat = { subject, events, capabilities: unable };
      seats.add(seat);
      return {
        send(message) {
          if (!seats.has(seat)) return;
          if (message.kind === 'request') request(seat, message);
          else if (message.kind === 'notification') notification(seat, message);
          else if (asked.get(keyOf(message.id)) === seat) {
            asked.delete(keyOf(message.id));
            child.send(message.bytes);
          }
        },
        backlog: child.backlog,
        suspect,
        async close() {
          leave(seat);
        },
      };
    },
    over: child.over,
  };
}
