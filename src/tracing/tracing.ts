/** Spans of what becomes of a request: one for all of it, one for the guard, one for what is asked behind the gateway. */

import type { IncomingMessage } from 'node:http';
import type { Log } from '../log.ts';
import type { AccessRecord } from '../router/access-log.ts';
import { type Exchange, type Handler, type Middleware, streamed, type Trace } from '../router/handler.ts';
import { randomId } from '../router/trace-context.ts';
import { version } from '../version.ts';
import type { TracingConfig } from './config.ts';
import { type Attribute, otlpExporter, type SpanData } from './otlp-exporter.ts';

export interface Tracing extends AsyncDisposable {
  /** Whether a trace that begins here is recorded. */
  sample(): boolean;
  /** Told of every request, whose span ends then. */
  observe(record: AccessRecord): void;
  /** The same, with a span of its own: what is asked behind the gateway is its child. */
  service(name: string, handler: Handler): Handler;
  /** The same, with a span from when the request reaches it until it has let it pass. */
  middleware(name: string, middleware: Middleware): Middleware;
}

const kinds = { internal: 1, server: 2, client: 3 } as const;

/** OpenTelemetry's semantic conventions for HTTP name these; any other method is `_OTHER`. */
const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);

export function openTracing(config: TracingConfig, log: Log): Tracing {
  const { sampleRate, serviceName, resourceAttributes, otlp } = config;
  const exporter = otlpExporter({
    ...otlp.http,
    resource: attributes({ 'service.name': serviceName, 'service.version': version, ...resourceAttributes }),
    scope: { name: 'mcp-gateway', version },
    log,
  });

  interface Ended {
    readonly trace: Trace;
    readonly spanId: string;
    readonly parentSpanId: string | undefined;
    readonly name: string;
    readonly kind: keyof typeof kinds;
    /** Milliseconds since the epoch. */
    readonly start: number;
    readonly failed: boolean;
    readonly told: Readonly<Record<string, string | number | undefined>>;
  }
  const end = ({ trace, spanId, parentSpanId, name, kind, start, failed, told }: Ended) => {
    const span: SpanData = {
      traceId: trace.traceId,
      spanId,
      parentSpanId,
      traceState: trace.state,
      name,
      kind: kinds[kind],
      startTimeUnixNano: nanoseconds(start),
      endTimeUnixNano: nanoseconds(clock()),
      attributes: attributes(told),
      status: failed ? { code: 2 } : {},
    };
    exporter.add(span);
  };

  return {
    sample: () => sampleRate > 0 && Math.random() < sampleRate,
    observe(record) {
      const { trace, status, route } = record;
      if (!trace?.sampled) return;
      const method = knownMethods.has(record.method) ? record.method : '_OTHER';
      const [path, query] = record.path.split('?', 2);
      const told = {
        'http.request.method': method,
        'http.route': route,
        'http.response.status_code': status,
        'url.path': path,
        'url.query': query,
        'server.address': record.host,
        'client.address': record.client,
        'network.protocol.version': record.protocol.slice('HTTP/'.length),
        'user_agent.original': record.userAgent,
        'mcp.method.name': record.mcpMethod,
        'gen_ai.tool.name': record.tool,
        'oauth.client_id': record.clientId,
        'http.request.header.x-request-id': trace.requestId,
      };
      const name = `${method === '_OTHER' ? 'HTTP' : method}${route === undefined ? '' : ` ${route}`}`;
      const { spanId, parentId: parentSpanId } = trace;
      const start = clock() - record.duration;
      end({ trace, spanId, parentSpanId, name, kind: 'server', start, failed: status >= 500, told });
    },
    service: (name, handler) => async (exchange) => {
      const { trace, notes, res } = exchange;
      if (!trace.sampled) return handler(exchange);
      const spanId = randomId(8);
      const start = clock();
      const done = (failed: boolean) => {
        const { upstream, mcpMethod, tool } = notes;
        const told = { 'server.address': upstream, 'mcp.method.name': mcpMethod, 'gen_ai.tool.name': tool };
        end({ trace, spanId, parentSpanId: trace.spanId, name, kind: 'client', start, failed, told });
      };
      try {
        const answer = await handler({ ...exchange, trace: { ...trace, spanId } });
        if (answer === streamed && !res.closed) res.once('close', () => done(res.statusCode >= 500));
        else done(answer === streamed ? res.statusCode >= 500 : answer.status >= 500);
        return answer;
      } catch (error) {
        done(true);
        throw error;
      }
    },
    middleware(name, middleware) {
      const begun = new WeakMap<IncomingMessage, number>();
      const done = ({ req, trace }: Exchange, failed: boolean) => {
        const start = begun.get(req);
        if (start === undefined || !begun.delete(req)) return;
        const { spanId: parentSpanId } = trace;
        end({ trace, spanId: randomId(8), parentSpanId, name, kind: 'internal', start, failed, told: {} });
      };
      return (next) => {
        const inner = middleware((exchange) => {
          done(exchange, false);
          return next(exchange);
        });
        return async (exchange) => {
          if (!exchange.trace.sampled) return inner(exchange);
          begun.set(exchange.req, clock());
          try {
            return await inner(exchange);
          } catch (error) {
            done(exchange, true);
            throw error;
          }
        };
      };
    },
    [Symbol.asyncDispose]: () => exporter[Symbol.asyncDispose](),
  };
}

const clock = () => performance.timeOrigin + performance.now();

function nanoseconds(milliseconds: number): string {
  return `${Math.round(milliseconds * 1000)}000`;
}

function attributes(told: Readonly<Record<string, string | number | undefined>>): Attribute[] {
  return Object.entries(told).flatMap(([key, value]): Attribute[] => {
    if (value === undefined) return [];
    return [{ key, value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value } }];
  });
}
