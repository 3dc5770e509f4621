/** Slice of the configuration: entrypoints, trusted proxies, routers, services, middlewares and the limits of a request. */

import * as z from 'zod';
import { duration, size } from '../units.ts';
import { addressSet } from './addresses.ts';
import { routingConfig } from './routing-config.ts';

const address = z.string().regex(/^(?:unix:.+|systemd(?::[\w.-]+)?|(?:\[[0-9a-fA-F:.]+\]|[^:[\]]*):\d{1,5})$/, {
  error: 'is no address; write "127.0.0.1:8080", ":443", "[::1]:8080", "unix:PATH" or "systemd"',
});

const addresses = z.array(
  z
    .string()
    .refine((entry) => !('fault' in addressSet([entry])), 'is neither an IP address nor a range such as "10.0.0.0/8"'),
);

export const limitsConfig = z.strictObject({
  requestAcceptGraceTimeout: duration
    .prefault('0s')
    .describe(
      'When the gateway stops, it takes requests for so long while /readyz is 503: a load balancer goes elsewhere first.',
    ),
  drain: duration.prefault('10s').describe('How long requests in flight may take to finish when the gateway stops.'),
  headTimeout: duration.prefault('15s').describe('A request head that is not complete by then is cut with 408.'),
  keepAlive: duration.prefault('75s').describe('An idle connection of a client is kept this long.'),
  stall: duration
    .prefault('60s')
    .describe('A client that takes no byte of a waiting answer, or sends none of its body, for this long is cut.'),
  connections: z.int().positive().default(10_000).describe('Connections of clients at once, for each entrypoint.'),
  body: size.prefault('64mb').describe('Largest request body that is passed to a service.'),
  upstreamConnections: z.int().positive().default(128).describe('Requests at once to one server of a service.'),
  upstreamQueue: z.int().nonnegative().default(256).describe('Requests that may wait for a server; more get 503.'),
  upstreamQueueWait: duration.prefault('5s').describe('How long a request waits for a server before it gets 503.'),
  upstreamStreams: z.int().positive().default(1024).describe('Event streams and WebSockets at once to one server.'),
  connectTimeout: duration.prefault('5s').describe('A server that does not take a connection by then gets 504.'),
  responseTimeout: duration.prefault('60s').describe('A server that has not begun its answer by then gets 504.'),
  responseIdle: duration
    .prefault('60s')
    .describe('A server that stops in the middle of an answer is cut; event streams are not.'),
});

const proxyProtocol = z
  .boolean()
  .default(false)
  .describe('Every connection from trustedProxies begins with a PROXY header, version 1 or 2, that names the client.');

export const routerConfig = z.strictObject({
  entrypoints: z
    .strictObject({
      http: z
        .strictObject({
          listen: address.optional().describe('Address of the plain HTTP entrypoint. [127.0.0.1:8080, with tls :80]'),
          proxyProtocol,
        })
        .prefault({})
        .describe('The plain HTTP entrypoint; with tls it only answers certificate issuers and redirects to https.'),
      https: z
        .strictObject({
          listen: address.optional().describe('Address of the HTTPS entrypoint. [:443]'),
          proxyProtocol,
        })
        .optional()
        .describe('The HTTPS entrypoint; needs tls.'),
    })
    .prefault({})
    .describe('Where the gateway listens.'),
  trustedProxies: addresses.default([]).describe('Proxies whose X-Forwarded-* and PROXY headers are believed.'),
  ...routingConfig.shape,
  limits: limitsConfig.prefault({}).describe('What the gateway puts up with.'),
});

export type Limits = z.output<typeof limitsConfig>;
