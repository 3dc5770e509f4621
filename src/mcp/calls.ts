/** The calls of one session that wait for their answer, and the time they have for it. */

import type { Outcome } from './called.ts';
import { errorResponse, type Id, progressTokenOf, type Request, rpcCode } from './message.ts';
import type { Answering } from './post-answer.ts';

export interface Call {
  readonly request: Request;
  readonly answer: Answering;
  readonly startedAt: number;
  readonly timer: NodeJS.Timeout;
  readonly token: Id | undefined;
  readonly ended: (outcome: Outcome) => void;
}

export interface Calls {
  readonly size: number;
  begin(request: Request, answer: Answering, ended: Call['ended']): void;
  get(id: Id): Call | undefined;
  /** The call that a progress notification is about; it may go on for longer now. */
  progressed(token: unknown): Call | undefined;
  /** Answers the call; the status counts where nothing of the answer has been sent. */
  settle(call: Call, bytes: Buffer, outcome: Outcome, status?: number): void;
  fail(call: Call, text: string, status: number): void;
  failAll(text: string, status: number): void;
  /** The POSTs that wait and can take more than their answers, the latest last. */
  readonly streaming: readonly Answering[];
}

/** A call that reports progress may last so many times its timeout (TR-45: an absolute end all the same). */
const patience = 6;

/** `timeout` in seconds; `expired` is called with a call that has already been failed with 504. */
export function callTable(timeout: number, expired: (call: Call) => void): Calls {
  // To a map 1 and "1" are two, as they are to JSON-RPC.
  const calls = new Map<Id, Call>();
  const tokens = new Map<unknown, Call>();

  const settle = (call: Call, bytes: Buffer, outcome: Outcome, status?: number) => {
    clearTimeout(call.timer);
    call.ended(outcome);
    calls.delete(call.request.id);
    if (call.token !== undefined) tokens.delete(call.token);
    call.answer.respond(bytes, status);
  };
  const fail = (call: Call, text: string, status: number) =>
    settle(call, errorResponse(call.request.id, rpcCode.internalError, text), 'failed', status);

  return {
    get size() {
      return calls.size;
    },
    begin(request, answer, ended) {
      const token = progressTokenOf(request.params);
      const expire = () => {
        fail(call, `the server did not answer within ${timeout} s`, 504);
        expired(call);
      };
      const call: Call = {
        request,
        answer,
        ended,
        token,
        startedAt: Date.now(),
        timer: setTimeout(expire, timeout * 1000),
      };
      calls.set(request.id, call);
      if (call.token !== undefined) tokens.set(call.token, call);
    },
    get: (id) => calls.get(id),
    progressed(token) {
      const call = tokens.get(token);
      if (call && Date.now() - call.startedAt < patience * timeout * 1000) call.timer.refresh();
      return call;
    },
    settle,
    fail,
    failAll(text, status) {
      for (const call of [...calls.values()]) fail(call, text, status);
    },
    get streaming() {
      const answers = [...calls.values()].map(({ answer }) => answer);
      return [...new Set(answers)].filter((answer) => answer.streams());
    },
  };
}
