/** Slice of the configuration: where Prometheus reads what the gateway counts. */

import * as z from 'zod';

export const metricsConfig = z
  .strictObject({
    listen: z
      .string()
      .regex(/^(?:unix:.+|(?:\[[0-9a-fA-F:.]+\]|[^:[\]]*):\d{1,5})$/, {
        error: 'is no address; write "127.0.0.1:9090", "[::1]:9090" or "unix:PATH"',
      })
      .optional()
      .describe(
        'Address that serves /metrics, to whoever reaches it: keep it on loopback or a private network. [none]',
      ),
  })
  .prefault({})
  .describe('What Prometheus reads.');
