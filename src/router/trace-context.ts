/** Which trace and which request this is: W3C Trace Context level 1, and X-Request-Id. */

import { randomFillSync } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Trace } from './handler.ts';

/** W3C Trace Context §3.2.1, §3.2.2: lower case, and what a version beyond 00 adds stands behind another dash. */
const parentForm = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;
const nothing = /^0+$/;
/** §3.3.1.3: list members are visible ASCII; §3.3.1.5: 512 characters are to be carried on, and nobody need carry more. */
const stateForm = /^[\x20-\x7e]{1,512}$/;
const mostStates = 32;

/** Of an id that a client chose: long enough for anybody's, and harmless wherever it is written. */
const idForm = /^[\w.-]{1,64}$/;

/**
 * The trace that the request says it is part of, or a new one. `sample` decides on a new one; without it nothing is
 * recorded here, and whoever comes behind us is not told to leave it, too.
 */
export function traceOf(headers: IncomingHttpHeaders, sample?: () => boolean): Trace {
  const spanId = randomId(8);
  const named = headers['x-request-id'];
  const requestId = typeof named === 'string' && idForm.test(named) ? named : spanId;
  const parent = parentOf(headers.traceparent);
  if (parent === undefined) return { requestId, traceId: randomId(16), spanId, sampled: sample?.() ?? true };
  const { traceId, sampled, spanId: parentId } = parent;
  const state = stateOf(headers.tracestate);
  return { requestId, traceId, spanId, sampled, parentId, ...(state !== undefined && { state }) };
}

function parentOf(header: unknown): { traceId: string; spanId: string; sampled: boolean } | undefined {
  if (typeof header !== 'string') return undefined;
  const [, version = '', traceId = '', spanId = '', flags = '', more] = parentForm.exec(header) ?? [];
  // §3.2.2.2: version ff is invalid, and 00 has four fields. §3.2.2.3, §3.2.2.4: so are ids of zeros.
  if (version === '' || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (nothing.test(traceId) || nothing.test(spanId)) return undefined;
  // §3.2.2.5: of the flags only the last bit means anything.
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** §3.3: without a valid traceparent it means nothing; what cannot be read is dropped and breaks no trace. */
function stateOf(header: string | string[] | undefined): string | undefined {
  const text = [header ?? []].flat().join(',').trim();
  return stateForm.test(text) && text.split(',').length <= mostStates ? text : undefined;
}

const pool = Buffer.alloc(4096);
let used = pool.length;

/** So many random bytes in hexadecimal. Never all zeros: that would be no id (§3.2.2.3, §3.2.2.4). */
export function randomId(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const id = pool.toString('hex', used, used + bytes);
  used += bytes;
  return nothing.test(id) ? randomId(bytes) : id;
}
