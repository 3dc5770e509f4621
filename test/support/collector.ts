/** As much of an OpenTelemetry collector as tells what it was sent. */

import { json } from 'node:stream/consumers';
import type { SpanData } from '../../src/tracing/otlp-exporter.ts';
import { type Site, site } from './site.ts';

export interface Collector extends AsyncDisposable {
  readonly site: Site;
  readonly spans: SpanData[];
  readonly bodies: Record<string, unknown>[];
  /** What it answers, one after the other; then 200. */
  readonly statuses: number[];
}

/** Nothing is checked but that it is OTLP in JSON. */
export async function collector(): Promise<Collector> {
  const spans: SpanData[] = [];
  const bodies: Record<string, unknown>[] = [];
  const statuses: number[] = [];
  const at = await site((req, res) => {
    void json(req).then((body) => {
      const { resourceSpans } = body as { resourceSpans: { scopeSpans: { spans: SpanData[] }[] }[] };
      const status = statuses.shift() ?? 200;
      if (status === 200)
        spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((each) => each.spans)));
      bodies.push(body as Record<string, unknown>);
      res.writeHead(status, { 'content-type': 'application/json' }).end('{}');
    });
  });
  return { site: at, spans, bodies, statuses, [Symbol.asyncDispose]: () => at[Symbol.asyncDispose]() };
}
