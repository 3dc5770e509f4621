/** What the page is told, as JSON. The page's own code reads these types too, so nothing is imported here. */

/** Once, when the page begins to listen. */
export interface Beginning {
  /** Who is logged in, for people to read. */
  readonly administrator: string;
  /** Proof that a change comes from this page; sent back in `X-CSRF-Token`. */
  readonly csrf: string;
  /** What can be asked for under /console/. */
  readonly views: readonly string[];
  /** Seconds from one sample to the next. */
  readonly interval: number;
  /** Oldest first. */
  readonly samples: readonly Sample[];
  readonly lines: readonly LogLine[];
}

/** What happened in one interval, and what there was at its end. */
export interface Sample {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly requests: number;
  /** Answered with 4xx, and with 5xx. */
  readonly refused: number;
  readonly failed: number;
  /** Milliseconds; absent where no request ended. */
  readonly latency?: Latency;
  /** Bytes. */
  readonly memory: number;
  /** Bytes of all children. */
  readonly childMemory: number;
  readonly children: number;
  readonly sessions: number;
}

/** Milliseconds within which so many of a hundred requests were answered. */
export interface Latency {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface LogLine {
  /** ISO 8601. */
  readonly time: string;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: readonly (readonly [name: string, text: string])[];
}

/** Every few seconds. */
export interface State {
  /** Milliseconds since the epoch, by the gateway's clock. */
  readonly now: number;
  /** Grows when there may be other clients, grants or tokens than before. */
  readonly changes: number;
  readonly status: Status;
}

/** The gateway, as `gateway-status.ts` tells it. */
export interface Status {
  readonly version: string;
  readonly node: string;
  readonly pid: number;
  /** Bytes; absent where the system does not tell. */
  readonly rss?: number;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly publicUrl: string;
  readonly entrypoints: readonly { readonly name: string; readonly address: string; readonly connections: number }[];
  readonly certificates: readonly Certificate[];
  readonly servers: readonly Server[];
  readonly sessions: number;
  readonly requests: { readonly total: number; readonly byStatus: Readonly<Record<string, number>> };
}

export interface Certificate {
  readonly host: string;
  readonly issuer?: string;
  /** ISO 8601. */
  readonly notAfter?: string;
  readonly daysLeft?: number;
  readonly renewAt?: string;
  readonly problem?: string;
}

export interface Server {
  readonly name: string;
  readonly url: string;
  readonly guarded: boolean;
  readonly target: string;
  readonly state: 'ready' | 'backing off' | 'stopped' | 'upstream';
  /** Seconds. */
  readonly retryIn?: number;
  readonly lastFailure?: string;
  readonly sessions: number;
  readonly children: readonly Child[];
}

export interface Child {
  readonly pid: number;
  readonly owner: string;
  /** Seconds. */
  readonly age: number;
  /** Bytes. */
  readonly rss?: number;
}
