/**
 * Calls that wait for their clients to come back with answers (2026-07-28 patterns, multi round-trip requests). The
 * client carries a signed state; what it stands for stays here, bounded, and only for so long.
 */

import { createHash, randomBytes } from 'node:crypto';
import { find } from './json-text.ts';
import { isObject, type Request } from './message.ts';
import type { Call, Sink } from './modern-server.ts';
import { requestStates } from './request-state.ts';

export interface Parked {
  /** The client is back. */
  resume(request: Request, sink: Sink): Call;
  /** It will not come any more. */
  expire(): void;
}

export interface ParkedCalls extends Disposable {
  /** The state for the client to bring back, once, with the same request; undefined where no more may wait. */
  park(owner: string, request: Request, parked: Parked): Place | undefined;
  /** Undefined where the state is forged, used, too old, somebody else's or of another request. */
  take(owner: string, request: Request): Parked | undefined;
  readonly size: number;
}

export interface Place {
  readonly state: string;
  /** Nobody waits any more. */
  leave(): void;
}

export interface ParkedCallsOptions {
  /** Seconds. */
  readonly life: number;
  readonly perOwner: number;
  readonly most: number;
}

export function parkedCalls({ life, perOwner, most }: ParkedCallsOptions): ParkedCalls {
  const table = new Map<string, { readonly owner: string; readonly parked: Parked; readonly timer: NodeJS.Timeout }>();
  const states = requestStates(life);

  const remove = (reference: string): Parked | undefined => {
    const entry = table.get(reference);
    clearTimeout(entry?.timer);
    table.delete(reference);
    return entry?.parked;
  };

  return {
    park(owner, request, parked) {
      let own = 0;
      for (const entry of table.values()) if (entry.owner === owner) own++;
      if (own >= perOwner || table.size >= most) return undefined;
      const reference = randomBytes(16).toString('base64url');
      const timer = setTimeout(() => remove(reference)?.expire(), life * 1000);
      table.set(reference, { owner, parked, timer });
      return { state: states.seal(reference, subjectOf(owner, request)), leave: () => void remove(reference) };
    },
    take(owner, request) {
      const reference = states.open(request.params.requestState, subjectOf(owner, request));
      return reference === undefined ? undefined : remove(reference);
    },
    get size() {
      return table.size;
    },
    [Symbol.dispose]() {
      for (const { timer } of table.values()) clearTimeout(timer);
      table.clear();
    },
  };
}

/** TR-42: the principal, and what names the request, whatever the order of its members. */
export function subjectOf(owner: string, request: Request): readonly string[] {
  return [owner, request.method, createHash('sha256').update(salient(request)).digest('base64url')];
}

function salient({ params, bytes }: Request): string | Buffer {
  const { _meta, inputResponses: _, requestState: __, ...rest } = params;
  try {
    return JSON.stringify(rest, sorted);
  } catch {
    // Nested deeper than the stack: what was written has to come back as it was.
    const span = find(bytes, ['params', 'arguments']);
    return bytes.subarray(span?.start ?? 0, span?.end ?? 0);
  }
}

function sorted(_key: string, value: unknown): unknown {
  return isObject(value) ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))) : value;
}
