/** One at a time among all gateways on one store. */

import { setTimeout as after } from 'node:timers/promises';
import { collection, type Store, StoreUnavailable } from './store.ts';

/** Seconds after which a lock ends whose holder died. */
const lifetime = 10;
/** Milliseconds between two tries, and their number. */
const pause = 20;
const tries = 100;

/**
 * Runs `work` while nobody else changes `what`. Whoever was held up for half as long as a lock lives must not write any more:
 * `work` calls `stillHeld` before it writes what others may write too. Rejects with `StoreUnavailable` there, and where somebody
 * else keeps the lock.
 */
export async function exclusively<T>(
  store: Store,
  what: string,
  work: (stillHeld: () => void) => Promise<T>,
): Promise<T> {
  const locks = collection<true>(store, 'lock');
  let claimedAt = performance.now();
  for (let left = tries; !(await locks.set(what, true, { only: 'absent', ttl: lifetime })); left -= 1) {
    if (left === 0) throw new StoreUnavailable(`another change of ${what} is under way`);
    await after(pause);
    claimedAt = performance.now();
  }
  // The other half is for the write itself, which takes 5 s at most.
  const isHeld = () => performance.now() - claimedAt < (lifetime / 2) * 1000;
  try {
    return await work(() => {
      if (!isHeld()) throw new StoreUnavailable(`the change of ${what} took too long`);
    });
  } finally {
    // Later it may be another's.
    if (isHeld()) await locks.delete(what);
  }
}
