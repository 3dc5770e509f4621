/** Slice of the configuration: where traces go, in Traefik's words. */

import * as z from 'zod';

export const tracingConfig = z.strictObject({
  serviceName: z.string().min(1).default('mcp-gateway').describe('What the traces say they are of.'),
  sampleRate: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe(
      'Of the traces that begin here, the part that is recorded, 0 to 1. A client that brings a trace decides itself.',
    ),
  resourceAttributes: z
    .record(z.string(), z.string())
    .default({})
    .describe('More of what the traces say they are of, such as "deployment.environment.name".'),
  otlp: z
    .strictObject({
      http: z
        .strictObject({
          endpoint: z
            .url({ protocol: /^https?$/, error: 'must be a URL such as "http://127.0.0.1:4318/v1/traces"' })
            .describe('Where traces are sent: OTLP over HTTP, as JSON.'),
          headers: z.record(z.string(), z.string()).default({}).describe('Sent with them, such as an API key.'),
        })
        .describe('OTLP over HTTP.'),
    })
    .describe('The OpenTelemetry protocol.'),
});

export type TracingConfig = z.output<typeof tracingConfig>;
