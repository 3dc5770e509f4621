/** What the server of a legacy session says: to which of the client's streams it goes. */

import { outcomeOf } from './called.ts';
import { callOf, progressedCall, settleCall, streamingAnswers } from './calls.ts';
import { isAnyRead, isRead, sendEvent } from './event-stream.ts';
import { type Id, isObject, type Message, type Notification, type Request, type Response, rpcCode } from './message.ts';
import { close, logOf, type SessionState, tell } from './session.ts';

/** Requests of the server that wait for the client. */
const mostAsked = 1000;

/** What the server says; `about` is the call that it belongs to, null for none, where that is known. */
export function receive(session: SessionState, message: Message, about?: Id | null): void {
  const { calls, standing, options } = session;
  if (session.over) return;
  if (message.kind === 'response') return void respond(session, message);
  if (message.kind === 'request') return void ask(session, message, about);
  if (message.method === 'notifications/cancelled') session.asked?.delete(message.params.requestId);
  const call =
    message.method === 'notifications/progress'
      ? progressedCall(calls, message.params.progressToken, options.requestTimeout)
      : undefined;
  if (!call) route(session, message, about);
  else if (!call.answer.precede(message.bytes)) sendEvent(standing, message.bytes);
}

function respond(session: SessionState, response: Response): void {
  const { calls, options } = session;
  const call = callOf(calls, response.id);
  session.lastUsed = Date.now();
  if (!call) return void logOf(session).debug('answer to no call', { id: response.id });
  if (call.request.method === 'initialize') {
    if (response.error !== undefined) {
      settleCall(calls, call, response.bytes, 'error');
      return void close(session, 'the server refused to initialize');
    }
    session.version = negotiated(response.result);
  }
  const bytes = call.request.method === 'tools/list' ? options.policy.filter(response) : response.bytes;
  settleCall(calls, call, bytes, outcomeOf(response));
}

/** TR-16: to exactly one stream. The one POST in flight is what the server most likely speaks about. */
function route(
  { calls, standing }: SessionState,
  message: Request | Notification,
  about: Id | null | undefined,
  lost?: () => void,
): void {
  if (about === null && isRead(standing)) return void sendEvent(standing, message.bytes, lost);
  if (about !== undefined && about !== null && callOf(calls, about)?.answer.precede(message.bytes, lost)) return;
  const answers = streamingAnswers(calls);
  const reachable = answers.filter((answer) => answer.reachable());
  const must = message.kind === 'request' && !isRead(standing);
  const one = reachable.length === 1 || must ? reachable.at(-1) : undefined;
  // Nobody reads anything now: what was begun may be resumed.
  const begun = reachable.length === 0 && !isRead(standing) ? answers.at(-1) : undefined;
  const answer = one ?? begun;
  if (answer) answer.precede(message.bytes, lost);
  else sendEvent(standing, message.bytes, lost);
}

function ask(session: SessionState, request: Request, about: Id | null | undefined): void {
  const { id } = request;
  const refuse = (text: string) => {
    session.asked?.delete(id);
    if (!session.over) tell(session, { id, error: { code: rpcCode.internalError, message: text } });
  };
  // ST-10: a server that wants to know whether anybody is there is answered also while no client listens.
  if (request.method === 'ping' && !isAnyRead(session.streams)) return void tell(session, { id, result: {} });
  session.asked ??= new Map();
  if (session.asked.size >= mostAsked) return void refuse('too many requests are waiting for the client');
  session.asked.set(id, { at: Date.now(), refuse });
  route(session, request, about, () => refuse('the client does not listen'));
}

function negotiated(result: unknown): string | undefined {
  return isObject(result) && typeof result.protocolVersion === 'string' ? result.protocolVersion : undefined;
}
