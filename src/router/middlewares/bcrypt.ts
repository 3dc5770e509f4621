/** htpasswd's `$2y$`: slow on purpose, and computed on the thread that serves everybody. */

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { refusal } from '../handler.ts';

/** 2 to the power of it are the rounds: 12 takes about a quarter of a second. */
const highestCost = 12;
/** Guesses that may wait for their turn. */
const mostWaiting = 16;

let turn: Promise<unknown> = Promise.resolve();
let waiting = 0;

/** Undefined where it is no hash of that kind. Throws where it would cost too much. */
export function bcryptVerifier(hash: string): ((password: string) => Promise<boolean>) | undefined {
  const cost = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(hash)?.[1];
  if (cost === undefined) return undefined;
  if (Number(cost) > highestCost) {
    throw new Error(`a bcrypt hash of cost ${cost} would hold up everybody; make it with -C ${highestCost} or less`);
  }
  const key = randomBytes(32);
  const digest = (password: string) => createHmac('sha256', key).update(password).digest();
  // A browser sends its password with each request: what was right once is not computed again.
  let right: Buffer | undefined;
  return async (password) => {
    const given = digest(password);
    if (right !== undefined && timingSafeEqual(right, given)) return true;
    const correct = await inTurn(async () => (await import('bcryptjs')).compare(password, hash));
    if (correct) right = given;
    return correct;
  };
}

/** One at a time, and after each the thread is free for as long as it took. */
async function inTurn(verify: () => Promise<boolean>): Promise<boolean> {
  if (waiting >= mostWaiting) {
    const headers = { 'retry-after': '1' };
    throw refusal(503, 'temporarily_unavailable', 'too many log in at once; try again', { headers });
  }
  waiting += 1;
  let took = 0;
  const result = turn.then(async () => {
    const start = performance.now();
    try {
      return await verify();
    } finally {
      took = performance.now() - start;
      waiting -= 1;
    }
  });
  const rest = () => sleep(took);
  turn = result.then(rest, rest);
  return result;
}
