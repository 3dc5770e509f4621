/** Sends spans to a collector: OTLP over HTTP as JSON, in batches, and never at the cost of a request. */

import { setTimeout as after } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { Log } from '../log.ts';

/** OTLP 1.x, as JSON: ids in hexadecimal, 64-bit numbers as text. Undefined members are left out. */
export interface SpanData {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly traceState: string | undefined;
  readonly name: string;
  readonly kind: 1 | 2 | 3;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code?: 2 };
}

export interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue: string } | { readonly intValue: string };
}

export interface OtlpExporter extends AsyncDisposable {
  add(span: SpanData): void;
}

export interface OtlpExporterOptions {
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly resource: readonly Attribute[];
  readonly scope: { readonly name: string; readonly version: string };
  readonly log: Log;
  /** Milliseconds between two batches. [5000] */
  readonly interval?: number;
}

/** Beyond it the oldest go. */
const mostQueued = 2048;
const mostPerBatch = 512;
/** Milliseconds. */
const patience = 10_000;
/** Milliseconds that a stop waits for the last batches. */
const lastPatience = 3000;
/** OTLP/HTTP: what may be sent again. */
const passing = new Set([429, 502, 503, 504]);

/** Disposing sends what is queued. */
export function otlpExporter(options: OtlpExporterOptions): OtlpExporter {
  const { endpoint, headers, resource, scope, log, interval = 5000 } = options;
  const agent = new Agent({ connect: { timeout: patience } });
  let queue: SpanData[] = [];
  let dropped = 0;
  let failing = false;
  let sending: Promise<boolean> | undefined;

  const trouble = (reason: unknown) => {
    if (!failing) log.warn('traces do not reach their collector', { endpoint, reason });
    failing = true;
  };

  const keepWithin = () => {
    const over = queue.length - mostQueued;
    if (over <= 0) return;
    queue = queue.slice(over);
    dropped += over;
  };

  /** Whether the batch is off our hands. */
  const post = async (spans: readonly SpanData[]): Promise<boolean> => {
    const body = JSON.stringify({
      resourceSpans: [{ resource: { attributes: resource }, scopeSpans: [{ scope, spans }] }],
    });
    try {
      const answer = await request(endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
        dispatcher: agent,
        signal: AbortSignal.timeout(patience),
      });
      await answer.body.dump();
      if (answer.statusCode < 300) {
        if (failing) log.info('traces reach their collector again', { endpoint, dropped });
        failing = false;
        dropped = 0;
        return true;
      }
      trouble(`it answers ${answer.statusCode}`);
      return !passing.has(answer.statusCode);
    } catch (error) {
      trouble(error instanceof Error ? error.message : String(error));
      return false;
    }
  };

  /** Whether there may be more to send now. */
  const flush = async (): Promise<boolean> => {
    const batch = queue.splice(0, mostPerBatch);
    if (batch.length === 0) return false;
    if (await post(batch)) return queue.length > 0;
    queue = [...batch, ...queue];
    keepWithin();
    return false;
  };

  const send = () => {
    sending ??= flush().finally(() => {
      sending = undefined;
    });
    return sending;
  };
  const timer = setInterval(() => void send(), interval).unref();

  return {
    add(span) {
      queue.push(span);
      if (queue.length > mostQueued) keepWithin();
      if (queue.length >= mostPerBatch && !failing) void send();
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      const over = new AbortController();
      const all = async () => {
        while (queue.length > 0 || sending !== undefined) if (!(await send()) && failing) return;
      };
      await Promise.race([all(), after(lastPatience, undefined, { signal: over.signal }).catch(() => undefined)]);
      over.abort();
      await agent.destroy();
    },
  };
}
