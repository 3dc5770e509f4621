/** Content negotiation, as far as MCP needs it. */

import type { IncomingMessage } from 'node:http';

export interface Accepted {
  readonly json: boolean;
  readonly stream: boolean;
}

/** Clients write the same again and again; the cap keeps them from filling the memory. */
const known = new Map<string, Accepted>();
const mostKnown = 256;
const longestKnown = 256;

/** RFC 9110 §12.5.1: no Accept header accepts everything; a type with q=0 is refused. */
export function accepted(req: IncomingMessage): Accepted {
  const header = req.headers.accept ?? '';
  const remembered = known.get(header);
  if (remembered !== undefined) return remembered;
  const found = parsed(header);
  if (known.size < mostKnown && header.length <= longestKnown) known.set(header, found);
  return found;
}

function parsed(header: string): Accepted {
  if (header.trim() === '') return { json: true, stream: true };
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

export function isJson({ headers }: IncomingMessage): boolean {
  const type = headers['content-type'];
  return type === 'application/json' || type?.split(';', 1)[0]?.trim().toLowerCase() === 'application/json';
}
