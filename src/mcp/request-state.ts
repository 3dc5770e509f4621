/** TR-42: what the gateway lets a client carry for it between two rounds: signed, for one caller, one call and a while. */

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { isObject } from './message.ts';

export interface RequestStates {
  /** `subject` is whatever the state must come back with: the caller, the method and what it names. */
  seal(reference: string, subject: readonly string[]): string;
  /** The reference; undefined where a byte differs, another subject brings it, or its time is over. */
  open(state: unknown, subject: readonly string[]): string | undefined;
}

/** `life` in seconds. The key is of this process, as are the calls that wait. */
export function requestStates(life: number): RequestStates {
  const key = randomBytes(32);
  const sign = (text: string) => createHmac('sha256', key).update(text).digest();
  return {
    seal(reference, subject) {
      const until = Math.ceil(Date.now() / 1000 + life);
      const payload = Buffer.from(JSON.stringify({ reference, until })).toString('base64url');
      return `${payload}.${sign(JSON.stringify([payload, ...subject])).toString('base64url')}`;
    },
    open(state, subject) {
      if (typeof state !== 'string') return undefined;
      const [payload = '', signature = '', ...more] = state.split('.');
      const expected = sign(JSON.stringify([payload, ...subject]));
      const given = Buffer.from(signature, 'base64url');
      // Base64url has spare bits: only the one spelling counts.
      if (more.length > 0 || given.toString('base64url') !== signature || given.length !== expected.length)
        return undefined;
      if (!timingSafeEqual(given, expected)) return undefined;
      const content: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
      if (!isObject(content) || Number(content.until) * 1000 < Date.now()) return undefined;
      return String(content.reference);
    },
  };
}
