/** 2026-07-28 basic, `_meta`: `traceparent` and `tracestate` travel in the message, where a process sees no headers. */

import { type Trace, traceHeaders } from '../router/handler.ts';
import { splice } from './json-text.ts';
import { type Amend, isObject } from './message.ts';

/** What the client wrote there itself stays as it is. Every revision lets a request have `_meta`. */
export const traced =
  (trace: Trace): Amend =>
  (message, places) => {
    if (message.kind !== 'request') return message;
    const { bytes, params } = message;
    const { _meta: meta = {} } = params;
    if (!isObject(meta) || meta.traceparent !== undefined) return message;
    const told = traceHeaders(trace);
    const amended = { ...message, params: { ...params, _meta: { ...meta, ...told } } };
    const within = (start: number, text: string, empty: boolean) =>
      splice(bytes, [{ start: start + 1, end: start + 1, text: empty ? text : `${text},` }]);
    const members = JSON.stringify(told).slice(1, -1);
    if (places.meta) return { ...amended, bytes: within(places.meta.start, members, isEmpty(meta)) };
    const whole = `"_meta":{${members}}`;
    if (places.params) return { ...amended, bytes: within(places.params.start, whole, isEmpty(params)) };
    return { ...amended, bytes: within(bytes.indexOf('{'), `"params":{${whole}}`, false) };
  };

function isEmpty(object: object): boolean {
  for (const _ in object) return false;
  return true;
}
