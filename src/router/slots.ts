/** How many requests an upstream gets at once, how many may wait, and for how long. */

import { refusal } from './handler.ts';

export interface Slots {
  /** Resolves with what gives the slot back. Refuses with 503 where the queue is full or the wait too long. */
  take(signal: AbortSignal): Promise<() => void>;
}

/** `wait` in seconds. */
export function slots(most: number, queue: number, wait: number): Slots {
  let taken = 0;
  const waiting = new Set<() => void>();
  const release = () => {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const [next] = waiting;
      if (next) next();
      else taken -= 1;
    };
  };
  return {
    take(signal) {
      if (taken < most) {
        taken += 1;
        return Promise.resolve(release());
      }
      if (waiting.size >= queue) return Promise.reject(busy());
      return new Promise((resolve, reject) => {
        const leave = () => {
          clearTimeout(timer);
          waiting.delete(enter);
          signal.removeEventListener('abort', gone);
        };
        const enter = () => {
          leave();
          resolve(release());
        };
        const gone = () => {
          leave();
          reject(signal.reason);
        };
        const timer = setTimeout(() => {
          leave();
          reject(busy());
        }, wait * 1000);
        waiting.add(enter);
        signal.addEventListener('abort', gone, { once: true });
      });
    },
  };
}

function busy() {
  return refusal(503, 'temporarily_unavailable', 'the server is busy; try again', { headers: { 'retry-after': '5' } });
}
