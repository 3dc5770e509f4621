/** How many requests an upstream gets at once, how many may wait, and for how long. */

import { refusal } from './handler.ts';

/** Who waits for an answer. */
export interface Client {
  readonly gone: boolean;
  /** Called once, when the client goes; only the latest one set. */
  whenGone: (() => void) | undefined;
}

export interface Slots {
  /** Resolves with what gives the slot back. Refuses with 503 where the queue is full or the wait too long. */
  take(client: Client): Promise<() => void>;
  /** One that is free now, or undefined. */
  tryTake(): (() => void) | undefined;
  /** How many are out. */
  readonly taken: number;
  /** Resolves when none is out, or after so many seconds. */
  empty(most: number): Promise<void>;
}

/** `wait` in seconds. */
export function slots(most: number, queue: number, wait: number): Slots {
  let taken = 0;
  let onEmpty: (() => void) | undefined;
  const waiting = new Set<() => void>();
  const release = () => {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const [next] = waiting;
      if (next) next();
      else if (--taken === 0) onEmpty?.();
    };
  };
  const tryTake = () => {
    if (taken >= most) return undefined;
    taken += 1;
    return release();
  };
  return {
    tryTake,
    get taken() {
      return taken;
    },
    empty: (most) =>
      new Promise((resolve) => {
        if (taken === 0) return resolve();
        const timer = setTimeout(resolve, most * 1000);
        onEmpty = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    take(client) {
      const free = tryTake();
      if (free) return Promise.resolve(free);
      if (waiting.size >= queue) return Promise.reject(busy());
      return new Promise((resolve, reject) => {
        const leave = () => {
          clearTimeout(timer);
          waiting.delete(enter);
          client.whenGone = undefined;
        };
        const enter = () => {
          leave();
          resolve(release());
        };
        const timer = setTimeout(() => {
          leave();
          reject(busy());
        }, wait * 1000);
        waiting.add(enter);
        client.whenGone = () => {
          leave();
          reject(new Error('the client has gone'));
        };
      });
    },
  };
}

export function busy() {
  return refusal(503, 'temporarily_unavailable', 'the server is busy; try again', { headers: { 'retry-after': '5' } });
}
