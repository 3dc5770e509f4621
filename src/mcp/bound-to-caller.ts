/**
 * A modern server that strangers share. Over stdio it cannot know its callers, so what it hands out to one of them, tasks
 * and the state of an unfinished request, is bound to that one here: 2026-07-28 asks whoever knows the principal to do so.
 */

import { find, splice } from './json-text.ts';
import { isObject, type Request, type Response, rpcCode, textOf } from './message.ts';
import { type Call, failure, isListen, type ModernServer } from './modern-server.ts';
import { subjectOf } from './parked-calls.ts';
import { requestStates } from './request-state.ts';

/** Seconds; the server may set narrower bounds of its own. */
const life = 86_400;
const mostTasks = 10_000;
const refused: Call = { cancel() {} };

export function boundToCaller(server: ModernServer): ModernServer {
  const states = requestStates(life);
  /** Who may speak of a task; the oldest are forgotten first. */
  const tasks = new Map<string, string>();

  const learn = (owner: string, { taskId, resultType }: Readonly<Record<string, unknown>>) => {
    if (resultType !== 'task' || typeof taskId !== 'string') return;
    const [oldest] = tasks.keys();
    if (tasks.size >= mostTasks && oldest !== undefined) tasks.delete(oldest);
    tasks.set(taskId, owner);
  };

  /** TR-42: as the client sees it, bound to it and to this request. */
  const outgoing = (response: Response, request: Request, owner: string): Response => {
    const { result, bytes } = response;
    if (!isObject(result)) return response;
    learn(owner, result);
    const span = find(bytes, ['result', 'requestState']);
    if (!span || typeof result.requestState !== 'string') return response;
    const requestState = states.seal(result.requestState, subjectOf(owner, request));
    const edit = { ...span, text: JSON.stringify(requestState) };
    return { ...response, result: { ...result, requestState }, bytes: splice(bytes, [edit]) };
  };

  /** With the state that the server gave; undefined where it gave none to this caller for this request. */
  const incoming = (request: Request, owner: string): Request | undefined => {
    const span = find(request.bytes, ['params', 'requestState']);
    if (!span) return request;
    const requestState = states.open(request.params.requestState, subjectOf(owner, request));
    if (requestState === undefined) return undefined;
    const edit = { ...span, text: JSON.stringify(requestState) };
    return { ...request, params: { ...request.params, requestState }, bytes: splice(request.bytes, [edit]) };
  };

  const strange = (request: Request, owner: string): boolean => {
    const { method, params } = request;
    const named = method.startsWith('tasks/') ? [params.taskId] : [];
    const filter = isListen(request) ? params.notifications : undefined;
    const heard = isObject(filter) && Array.isArray(filter.taskIds) ? filter.taskIds : [];
    // Where nobody has been given one, the server may say itself that it knows none.
    return tasks.size > 0 && [...named, ...heard].some((task) => tasks.get(textOf(task)) !== owner);
  };

  return {
    discovered: server.discovered,
    notify: server.notify,
    suspect: server.suspect,
    close: server.close,
    call(request, sink, about) {
      const { owner } = about;
      const refuse = (text: string) => {
        sink.respond(failure(request, text, rpcCode.invalidParams));
        return refused;
      };
      if (strange(request, owner)) return refuse('there is no such task');
      const bound = incoming(request, owner);
      if (!bound) return refuse('the requestState is not valid');
      return server.call(
        bound,
        {
          notify: sink.notify,
          respond: (response, status) => sink.respond(outgoing(response, request, owner), status),
        },
        about,
      );
    },
    idle: () => server.idle(),
    over: () => server.over(),
    backlog: () => server.backlog(),
  };
}
