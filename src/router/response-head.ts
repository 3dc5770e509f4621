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

/** Status and headers of a flat list, added to what stages have set; they leave with the first byte of the body. */
export function setHead(res: ServerResponse, status: number, headers: readonly string[]): void {
  for (let at = 0; at < headers.length; at += 2) res.appendHeader(headers[at] ?? '', headers[at + 1] ?? '');
  res.statusCode = status;
}
