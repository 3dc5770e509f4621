/** SEP-2663: a task lives in its server's memory, so the server has to live on while one is open. */

import { isObject, type Response } from './message.ts';

export interface OpenTasks {
  saw(response: Response): void;
  readonly any: boolean;
}

/** Milliseconds that a task without a time to live is waited for. */
const life = 86_400_000;
const most = 1000;
const ended: readonly unknown[] = ['completed', 'failed', 'cancelled'];

export function openTasks(): OpenTasks {
  const until = new Map<string, number>();
  return {
    saw({ result }) {
      if (!isObject(result) || typeof result.taskId !== 'string') return;
      const { taskId, status, ttlMs } = result;
      if (ended.includes(status)) until.delete(taskId);
      else if (result.resultType === 'task' && until.size < most) {
        until.set(taskId, Date.now() + (typeof ttlMs === 'number' ? Math.min(ttlMs, life) : life));
      }
    },
    get any() {
      const now = Date.now();
      for (const [task, end] of until) if (end < now) until.delete(task);
      return until.size > 0;
    },
  };
}
