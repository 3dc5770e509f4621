/** The Vary header, which several stages have a part in. */

import type { ServerResponse } from 'node:http';
import { IdentifiedResponse } from './response-head.ts';

/** RFC 9110 §12.5.5: names, once each, what the answer depends on besides the URL. */
export function appendVary(res: ServerResponse, name: string): void {
  const set = [res.getHeader('vary') ?? []].flat().join(', ');
  const own = res instanceof IdentifiedResponse ? res.vary : '';
  if (names(set, name) || names(own, name)) return;
  if (res instanceof IdentifiedResponse) res.vary = joined(own, name);
  else res.setHeader('vary', joined(set, name));
}

const names = (list: string, name: string) =>
  list !== '' &&
  list
    .toLowerCase()
    .split(/\s*,\s*/)
    .includes(name.toLowerCase());
const joined = (list: string, name: string) => (list === '' ? name : `${list}, ${name}`);
