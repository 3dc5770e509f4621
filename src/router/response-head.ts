/** The head of an answer, whoever writes it: a Reply, a refusal or a stream. */

import { type IncomingMessage, type OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { headerIn } from './upstream-headers.ts';

/**
 * An answer that tells its request's id and what it varies by. Node wants a class; what is set on it beforehand would cost each
 * answer Node's slow way.
 */
export class IdentifiedResponse<R extends IncomingMessage = IncomingMessage> extends ServerResponse<R> {
  /** Empty for what never became a request. */
  requestId = '';
  /** What stages had to say of Vary; see `appendVary`. */
  vary = '';
  /** Of a head that was written from a flat list. */
  announcedLength: string | undefined = undefined;

  override writeHead(status: number, reason?: unknown, headers?: unknown): this {
    const given = typeof reason === 'string' ? headers : reason;
    const { requestId, vary } = this;
    if (Array.isArray(given)) {
      if (requestId !== '') given.push('x-request-id', requestId);
      if (vary !== '') given.push('vary', vary);
      const at = given.indexOf('content-length');
      if (at >= 0 && at % 2 === 0) this.announcedLength = given[at + 1];
    } else {
      if (requestId !== '') this.setHeader('x-request-id', requestId);
      if (vary !== '') this.appendHeader('vary', vary);
    }
    return super.writeHead(status, given as OutgoingHttpHeaders);
  }
}

/** `change` sees the status and may set and remove headers of `res`, once, just before they are sent. */
export function beforeHead(res: ServerResponse, change: (status: number) => void): void {
  const writeHead = res.writeHead.bind(res);
  let done = false;
  const patched = (status: number, headers?: OutgoingHttpHeaders | string[] | string): ServerResponse => {
    if (Array.isArray(headers)) appendAll(res, headers);
    else if (typeof headers === 'object') {
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

/** Status and headers of a flat list, which is used up, added to what stages have set; they leave with the first byte of the body. */
export function setHead(res: ServerResponse, status: number, headers: string[]): void {
  if (res instanceof IdentifiedResponse && res.getHeaderNames().length === 0) {
    res.writeHead(status, headers);
    return;
  }
  appendAll(res, headers);
  res.statusCode = status;
}

/** As `setHead`, in the place of what stages have set under the same names. */
export function replaceHead(res: ServerResponse, status: number, headers: string[]): void {
  for (const name of res.getHeaderNames()) if (headerIn(headers, name) !== undefined) res.removeHeader(name);
  setHead(res, status, headers);
}

function appendAll(res: ServerResponse, headers: readonly string[]): void {
  for (let at = 0; at < headers.length; at += 2) res.appendHeader(headers[at] ?? '', headers[at + 1] ?? '');
}
