/** The Vary header, which several stages have a part in. */

import type { ServerResponse } from 'node:http';

/** RFC 9110 §12.5.5: names, once each, what the answer depends on besides the URL. */
export function appendVary(res: ServerResponse, name: string): void {
  const former = res.getHeader('vary');
  if (former === undefined) {
    res.setHeader('vary', name);
    return;
  }
  const present = [former].flat().join(', ');
  const names = present.toLowerCase().split(/\s*,\s*/);
  if (!names.includes(name.toLowerCase())) res.setHeader('vary', `${present}, ${name}`);
}
