/** One line per request, whatever became of it, without what must stay secret. */

import type { Log } from '../log.ts';
import type { Notes, Trace } from './handler.ts';

/** What is told of one request. `duration` in milliseconds, `bytes` of the answer's body where it was told before. */
export interface AccessRecord extends Readonly<Omit<Notes, 'client' | 'aborted'>> {
  readonly client: string;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly status: number;
  readonly duration: number;
  readonly protocol: string;
  /** Absent for what never became a request. */
  readonly trace?: Trace;
  readonly userAgent?: string;
  readonly bytes?: number;
  /** What ended the exchange before its answer was whole. */
  readonly aborted?: 'client' | 'upstream';
  /** A GET for an event stream, which stands as long as its client wants; its duration says nothing of the service. */
  readonly stream?: true;
}

export function writeAccess(log: Log, record: AccessRecord): void {
  const { step: _, trace, duration, ...told } = record;
  const ids = trace && { requestId: trace.requestId, traceId: trace.traceId };
  log.info('request', { ...told, duration: Math.round(duration * 10) / 10, ...ids });
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
