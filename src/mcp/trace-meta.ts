/** 2026-07-28 basic, `_meta`: `traceparent` and `tracestate` travel in the message, where a process sees no headers. */

import { type Trace, traceHeaders } from '../router/handler.ts';
import { find, splice } from './json-text.ts';
import { isObject, type Message } from './message.ts';

/** What the client wrote there itself stays as it is. Every revision lets a request have `_meta`. */
export function traced(message: Message, trace: Trace): Message {
  if (message.kind !== 'request') return message;
  const { bytes, params } = message;
  const { _meta: meta = {} } = params;
  if (!isObject(meta) || meta.traceparent !== undefined) return message;
  const told = traceHeaders(trace);
  const members = JSON.stringify(told).slice(1, -1);
  const added = { ...message, params: { ...params, _meta: { ...meta, ...told } } };
  const inside = (path: readonly string[], text: string, empty: boolean) => {
    const start = (find(bytes, path)?.start ?? bytes.indexOf('{')) + 1;
    return { ...added, bytes: splice(bytes, [{ start, end: start, text: empty ? text : `${text},` }]) };
  };
  if (params._meta !== undefined) return inside(['params', '_meta'], members, Object.keys(meta).length === 0);
  const whole = `"_meta":{${members}}`;
  if (find(bytes, ['params']) === undefined) return inside([], `"params":{${whole}}`, false);
  return inside(['params'], whole, Object.keys(params).length === 0);
}
