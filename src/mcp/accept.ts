/** Content negotiation, as far as MCP needs it. */

import type { IncomingMessage } from 'node:http';

export interface Accepted {
  readonly json: boolean;
  readonly stream: boolean;
}

/** RFC 9110 §12.5.1: no Accept header accepts everything; a type with q=0 is refused. */
export function accepted(req: IncomingMessage): Accepted {
  const header = req.headers.accept;
  if (header === undefined || header.trim() === '') return { json: true, stream: true };
  const ranges = header
    .toLowerCase()
    .split(',')
    .map((range) => range.split(';').map((part) => part.trim()))
    .filter(([, ...parameters]) => !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter)))
    .map(([type]) => type);
  const takes = (...types: string[]) => types.some((type) => ranges.includes(type));
  return {
    json: takes('*/*', 'application/*', 'application/json'),
    stream: takes('*/*', 'text/*', 'text/event-stream'),
  };
}

export function isJson(req: IncomingMessage): boolean {
  const type = req.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  return type === 'application/json';
}
