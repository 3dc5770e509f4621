/** The calls of one session that wait for their answer, and the time they have for it. */

import type { Outcome } from './called.ts';
import { errorResponse, type Id, type Request, rpcCode } from './message.ts';
import type { Answering } from './post-answer.ts';

export interface Call {
  readonly request: Request;
  readonly answer: Answering;
  readonly startedAt: number;
  readonly timer: NodeJS.Timeout;
  readonly token: Id | undefined;
  readonly ended: (outcome: Outcome) => void;
}

/** In the order they came in. An array: there are few, and V8 keeps for long what was once in a map of what comes and goes. */
export type Calls = Call[];

/** A call that reports progress may last so many times its timeout (TR-45: an absolute end all the same). */
const patience = 6;

/** JSON-RPC 2.0: 1 and "1" are two. */
export function callOf(calls: Calls, id: Id): Call | undefined {
  return calls.find(({ request }) => request.id === id);
}

/** The call that a progress notification is about; it may go on for longer now. `timeout` in seconds. */
export function progressedCall(calls: Calls, token: unknown, timeout: number): Call | undefined {
  const call = token === undefined ? undefined : calls.findLast((one) => one.token === token);
  if (call && Date.now() - call.startedAt < patience * timeout * 1000) call.timer.refresh();
  return call;
}

/** Answers the call; the status counts where nothing of the answer has been sent. */
export function settleCall(calls: Calls, call: Call, bytes: Buffer, outcome: Outcome, status?: number): void {
  clearTimeout(call.timer);
  call.ended(outcome);
  const at = calls.indexOf(call);
  if (at >= 0) calls.splice(at, 1);
  call.answer.respond(bytes, status);
}

export function failCall(calls: Calls, call: Call, text: string, status: number): void {
  settleCall(calls, call, errorResponse(call.request.id, rpcCode.internalError, text), 'failed', status);
}

export function failCalls(calls: Calls, text: string, status: number): void {
  for (const call of [...calls]) failCall(calls, call, text, status);
}

/** The POSTs that wait and can take more than their answers, the latest last. */
export function streamingAnswers(calls: Calls): readonly Answering[] {
  return [...new Set(calls.map(({ answer }) => answer))].filter((answer) => answer.streams());
}
