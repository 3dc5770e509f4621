/** Who called what, told once the outcome is known: to the audit log, to metrics, to whoever listens. Never what with. */

import type { Exchange, Handler } from '../router/handler.ts';
import { isJson } from './accept.ts';
import { isObject, type Request, type Response, readBody } from './message.ts';

/** `tool error` is what a tool said itself; `failed` is no answer at all. */
export type Outcome = 'ok' | 'tool error' | 'error' | 'refused' | 'failed';

/** Call it at the beginning, and what it answers at the end; only the first end counts. */
export type Called = (exchange: Exchange, request: Pick<Request, 'method' | 'params'>) => (outcome: Outcome) => void;

const named = new Set(['tools/call', 'prompts/get']);
/** Characters of a name that a client chose. */
const longestName = 128;

export function calledAt(server: string, era: 'legacy' | 'modern'): Called {
  return ({ caller, clientAddress, notes, log }, { method, params }) => {
    const start = performance.now();
    const { name } = params;
    const tool = named.has(method) && typeof name === 'string' ? name.slice(0, longestName) : undefined;
    notes.mcpMethod = method.slice(0, longestName);
    if (tool !== undefined) notes.tool = tool;
    let over = false;
    return (outcome) => {
      if (over) return;
      over = true;
      const duration = Math.round((performance.now() - start) * 10) / 10;
      const who = { username: caller?.username, subject: caller?.subject, clientId: caller?.clientId, clientAddress };
      log.debug('called', { server, method: notes.mcpMethod, tool, outcome, ...who, era, duration });
    };
  };
}

/** For what passes through as it is: told by the status of the answer, whose body is not read. `limit` in bytes of the request's. */
export function toldOf(called: Called, limit: number, service: Handler): Handler {
  return async (exchange) => {
    const { req, res } = exchange;
    if (req.method !== 'POST' || !isJson(req)) return service(exchange);
    const ends = requestsIn(await exchange.body(limit)).map((request) => called(exchange, request));
    res.once('close', () => {
      const outcome = res.writableFinished && res.statusCode < 400 ? 'ok' : 'failed';
      for (const end of ends) end(outcome);
    });
    return service(exchange);
  };
}

/** Whether the rest makes sense is the server's to judge. */
function requestsIn(body: Buffer): readonly Request[] {
  try {
    return readBody(body).messages.filter((message) => message.kind === 'request');
  } catch {
    return [];
  }
}

export function outcomeOf({ error, result }: Response): Outcome {
  if (error !== undefined) return 'error';
  return isObject(result) && result.isError === true ? 'tool error' : 'ok';
}
