/** A last look at an answer's head, whoever writes it: a Reply, a refusal or a stream. */

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** `change` sees the status and may set and remove headers of `res`, once, just before they are sent. */
export function beforeHead(res: ServerResponse, change: (status: number) => void): void {
  const writeHead = res.writeHead.bind(res);
  let done = false;
  const patched = (status: number, headers?: OutgoingHttpHeaders | string): ServerResponse => {
    if (typeof headers === 'object') {
      for (const [name, value] of Object.entries(headers)) if (value !== undefined) res.setHeader(name, value);
    }
    if (!done) {
      done = true;
      if (status >= 200) change(status);
    }
    return writeHead(status);
  };
  res.writeHead = patched as typeof res.writeHead;
}
