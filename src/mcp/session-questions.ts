/** 2026-07-28 multi round-trip requests, put to a client of the sessions era as requests on the stream of its call. */

import { able } from './client-capabilities.ts';
import type { ConnectionEvents } from './connection.ts';
import { find } from './json-text.ts';
import { type Id, isObject, keyOf, type Params, type Request, type Response, write } from './message.ts';
import { rewritten } from './modern-wire.ts';

export interface SessionQuestions {
  /**
   * Puts every question of an `input_required` result, or says what is wrong with one. `done` is called once, with the
   * answers as the text of `inputResponses`, or with the reason why there will be none.
   */
  put(request: Request, response: Response, capabilities: Params, done: (outcome: Outcome) => void): Round | string;
  /** What a client says to a request. */
  answered(response: Response): void;
}

export type Outcome = { readonly inputResponses: string } | { readonly refused: string };

export interface Round {
  /** Nobody wants the answers any more. */
  withdraw(reason: string): void;
}

interface Question {
  readonly id: Id;
  readonly key: string;
  readonly message: Request;
}

/** Questions in one round. */
const most = 100;

export function sessionQuestions(events: ConnectionEvents): SessionQuestions {
  const asked = new Map<string, (response: Response) => void>();
  let last = 0;

  /** A request to the client, or what is wrong with the question. */
  const request = (key: string, question: unknown, bytes: Buffer, capabilities: Params): Question | string => {
    if (!isObject(question) || typeof question.method !== 'string') return 'the server asks what is no request';
    const { method, params = {} } = question;
    if (!isObject(params)) return 'the server asks what is no request';
    // 2026-07-28: a server asks for nothing that the client did not declare.
    if (!able(capabilities, { method, params })) return `the client cannot be asked for ${method}`;
    const id = ++last;
    const span = find(bytes, ['result', 'inputRequests', key, 'params']);
    // 2025-11-25 elicitation: one that leads to a URL has an id of its own.
    const named = params.mode === 'url' && params.elicitationId === undefined;
    const text = rewritten(bytes, span?.start, named ? { elicitationId: `"${id}"` } : {});
    const head = `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":`;
    const whole = Buffer.concat([Buffer.from(head), text, Buffer.from('}')]);
    return { id, key, message: { kind: 'request', id, method, params, bytes: whole } };
  };

  return {
    put(call, { bytes, result }, capabilities, done) {
      const { inputRequests = {} } = result as Params;
      const entries = isObject(inputRequests) ? Object.entries(inputRequests) : [];
      if (entries.length > most) return 'the server asks too many questions';
      const made = entries.map(([key, question]) => request(key, question, bytes, capabilities));
      const questions = made.filter((each) => typeof each !== 'string');
      const fault = made.find((each) => typeof each === 'string');
      if (fault !== undefined) return fault;
      const open = new Map(questions.map((question) => [keyOf(question.id), question]));
      const answers: string[] = [];
      const round: Round = {
        withdraw(reason) {
          for (const [key, { id }] of open) {
            asked.delete(key);
            events.message(write({ method: 'notifications/cancelled', params: { requestId: id, reason } }), call.id);
          }
          open.clear();
        },
      };
      const answered = ({ key, message }: Question, response: Response) => {
        const { id, error } = response;
        open.delete(keyOf(id));
        asked.delete(keyOf(id));
        const span = find(response.bytes, ['result']);
        if (error === undefined && span) {
          answers.push(`${JSON.stringify(key)}:${response.bytes.toString('utf8', span.start, span.end)}`);
          if (open.size === 0) done({ inputResponses: `{${answers.join(',')}}` });
          return;
        }
        // The modern era has answers only: there is no way to tell the server that there is none.
        round.withdraw('the call has failed');
        const why = isObject(error) && typeof error.message === 'string' ? `: ${error.message}` : '';
        done({ refused: `the client refused ${message.method}${why}` });
      };
      // None may be answered before all are noted.
      for (const question of questions) asked.set(keyOf(question.id), (response) => answered(question, response));
      for (const { message } of questions) events.message(message, call.id);
      return round;
    },
    answered: (response) => asked.get(keyOf(response.id))?.(response),
  };
}
