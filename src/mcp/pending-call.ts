/** A call that a server of the sessions era works on for a client of the modern era. */

import type { Params, Request, Response } from './message.ts';
import type { Sink } from './modern-server.ts';
import type { Place } from './parked-calls.ts';
import type { RisingMap } from './rising-map.ts';

export interface PendingCall {
  readonly number: number;
  readonly owner: string;
  /** Of the latest round. */
  request: Request;
  /** Undefined while nobody waits for the answer. */
  sink: Sink | undefined;
  /** What the server has asked and the client has not answered. */
  readonly asks: Map<string, Request>;
  /** Where it waits for its client. */
  place: Place | undefined;
  /** The server asked for what the client cannot be asked: the capabilities it lacks. */
  missing: Params | undefined;
  /** The server's answer, come while the client was away. */
  answer: Response | undefined;
  /** Milliseconds since the epoch; the client has given up. */
  leftAt: number | undefined;
}

/** Seconds after which a cancelled call is no longer thought to run. */
const patience = 60;

export function forgetCancelled(calls: RisingMap<PendingCall>): void {
  for (const { number, leftAt } of calls.values()) {
    if (leftAt !== undefined && Date.now() - leftAt > patience * 1000) calls.delete(number);
  }
}

/** Whoever is the only one with something under way; a cancelled call may still run for a while. */
export function soleOwner(calls: RisingMap<PendingCall>): string | undefined {
  forgetCancelled(calls);
  // What the gateway asks on its own behalf is nobody's.
  const owners = new Set(calls.values().flatMap(({ owner }) => owner || []));
  const [only] = owners;
  return owners.size === 1 ? only : undefined;
}
