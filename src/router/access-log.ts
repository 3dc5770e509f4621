/** One line per request, whatever became of it, without what must stay secret. */

import type { IncomingMessage } from 'node:http';
import type { Log } from '../log.ts';

/** What is told of one request. `duration` in milliseconds, `bytes` of the answer's body as far as it was sent. */
export interface AccessRecord {
  readonly client: string;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly status: number;
  readonly duration: number;
  readonly protocol: string;
  readonly route?: string;
  readonly bytes?: number;
  readonly upstream?: string;
  /** What ended the exchange before its answer was whole. */
  readonly aborted?: 'client' | 'upstream';
  readonly reference?: string;
}

/** What stages tell the access log, and no other stage. */
interface Notes {
  route?: string;
  upstream?: string;
  aborted?: 'upstream';
  reference?: string;
}

const notes = new WeakMap<IncomingMessage, Notes>();
const none: Notes = {};

export function notesOf(req: IncomingMessage): Notes {
  return notes.get(req) ?? none;
}

export function noteRoute(req: IncomingMessage, route: string): void {
  note(req).route = route;
}

export function noteUpstream(req: IncomingMessage, upstream: string): void {
  note(req).upstream = upstream;
}

export function noteUpstreamAborted(req: IncomingMessage): void {
  note(req).aborted = 'upstream';
}

export function noteReference(req: IncomingMessage, reference: string): void {
  note(req).reference = reference;
}

function note(req: IncomingMessage): Notes {
  const known = notes.get(req);
  if (known) return known;
  const made = {};
  notes.set(req, made);
  return made;
}

export function writeAccess(log: Log, record: AccessRecord): void {
  log.info('request', { ...record, duration: Math.round(record.duration * 10) / 10 });
}

const secretParameter =
  /code|state|token|secret|pass|key|assertion|credential|signature|session|ticket|otp|nonce|hint/i;

/** The query with the values of secret parameters cut out; names stay. */
export function redactQuery(query: string): string {
  if (query === '' || !secretParameter.test(query)) return query;
  return query.replace(/([?&;])([^=&;]*)=([^&;]*)/g, (pair, before: string, name: string) =>
    secretParameter.test(unescaped(name)) ? `${before}${name}=[redacted]` : pair,
  );
}

function unescaped(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return 'token';
  }
}
