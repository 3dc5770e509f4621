/** Slice of the configuration: what else is behind the gateway, in Traefik's words. */

import * as z from 'zod';
import { duration } from '../units.ts';
import { middlewaresConfig } from './middlewares/config.ts';

/** Above it stand the gateway's own routes. */
const highestPriority = Number.MAX_SAFE_INTEGER - 1000;

const routerAuth = z.strictObject({
  scopes: z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'is not a scope'))
    .default([])
    .describe('Scopes a token must have.'),
  allow: z
    .strictObject({
      users: z.array(z.string().min(1)).optional().describe('Names or provider:subject; "*" is everybody.'),
      clients: z.array(z.string().min(1)).optional().describe('Client identifiers.'),
    })
    .default({})
    .describe('Who may use it. [everybody who may log in]'),
});

const routerConfig = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.-]+$/, 'is no name; use letters, digits, ".", "_" and "-"')
    .describe('Its name in the route table and the logs.'),
  rule: z.string().min(1).describe("Which requests it takes, in Traefik v3's language of rules."),
  priority: z
    .int()
    .max(highestPriority)
    .default(0)
    .describe('The highest router that matches answers; 0 stands for the length of the rule.'),
  middlewares: z.array(z.string()).default([]).describe('Names of middlewares, outermost first.'),
  service: z.string().describe('Name of the service that answers.'),
  auth: z
    .union([z.boolean(), routerAuth])
    .default(true)
    .describe('Whether an access token is needed, and whose. [true]'),
  resource: z
    .url({ protocol: /^https?$/ })
    .refine((url) => !/[?#@\\]/.test(url), { error: 'must be scheme, host and path alone' })
    .optional()
    .describe('The audience of its tokens. [host of the rule and its longest Path or PathPrefix]'),
});

const server = z.strictObject({
  url: z
    .string()
    .refine((url) => (/^(?:https?|h2c):\/\//.test(url) && isPlain(url)) || /^unix:\/[^?#]+$/.test(url), {
      error:
        'is no server; write "http://127.0.0.1:3000", "https://app.internal", "h2c://10.0.0.1:80" or "unix:/run/app.sock"',
    })
    .describe(
      '`http://`, `https://`, `h2c://`, or `unix:` and the path of a socket; a path is put before that of the request.',
    ),
  weight: z.int().nonnegative().max(10_000).default(1).describe('Its share of the requests; 0 gets none.'),
});

const healthCheck = z.strictObject({
  path: z
    .string()
    .regex(/^\/[^#\s]*$/, 'must begin with "/"')
    .describe('Asked by GET.'),
  interval: duration.prefault('30s').describe('How often.'),
  unhealthyInterval: duration.optional().describe('How often while it is not healthy. [interval]'),
  timeout: duration.prefault('5s').describe('An answer that takes longer is a bad one.'),
  status: z.int().min(100).max(599).optional().describe('The one status that is good. [200 to 399]'),
  healthyThreshold: z.int().positive().default(2).describe('Good answers in a row that bring it back.'),
  unhealthyThreshold: z.int().positive().default(3).describe('Bad answers in a row that take it out.'),
});

const passiveHealthCheck = z.strictObject({
  failureWindow: duration
    .prefault('10s')
    .describe('The time that failures are counted in, and a server is left alone.'),
  maxFailedAttempts: z.int().positive().default(1).describe('Failures in it that take a server out.'),
});

const sticky = z
  .strictObject({
    cookie: z
      .strictObject({
        name: z
          .string()
          .regex(/^[\w!#$%&'*+.^`|~-]+$/, 'is no name of a cookie')
          .optional()
          .describe('Its name. [made of the name of the service]'),
        httpOnly: z.boolean().default(true).describe('Whether scripts cannot read it.'),
        secure: z.boolean().optional().describe('Whether it is sent over https only. [over https: yes]'),
        sameSite: z.enum(['none', 'lax', 'strict']).default('lax').describe('Which sites make browsers send it.'),
        maxAge: z.int().nonnegative().default(0).describe('Seconds; 0 until the browser ends.'),
      })
      .optional()
      .describe('By a cookie of ours.'),
    header: z
      .string()
      .regex(/^[\w-]+$/)
      .optional()
      .describe('By a header that the server answers with and the client sends from then on, such as Mcp-Session-Id.'),
  })
  .refine(({ cookie, header }) => (cookie === undefined) !== (header === undefined), {
    error: 'is by "cookie" or by "header"',
  });

const service = z.strictObject({
  servers: z.array(server).min(1, 'needs a server').describe('Where requests go.'),
  strategy: z
    .enum(['wrr', 'p2c'])
    .default('wrr')
    .describe('"wrr": in turn, by weight. "p2c": of two at random the one with fewer requests under way.'),
  sticky: sticky.optional().describe('Keeps a client with the server it began with.'),
  healthCheck: healthCheck.optional().describe('Asks each server whether it is well.'),
  passiveHealthCheck: passiveHealthCheck.optional().describe('Leaves servers alone that failed to answer.'),
  passHostHeader: z.boolean().default(true).describe('Whether servers see the host that the client asked for.'),
  serversTransport: z
    .strictObject({
      rootCAs: z
        .array(z.string().includes('-----BEGIN CERTIFICATE-----', { error: 'is no certificate in PEM' }))
        .default([])
        .describe('Certificates of the authorities to believe instead of the usual ones; write {"$file": "ca.pem"}.'),
      serverName: z.string().min(1).optional().describe('The name in their certificates. [host of the URL]'),
      disableHTTP2: z.boolean().default(false).describe('Whether HTTP/2 is not offered to them.'),
    })
    .prefault({})
    .describe('How https servers are verified.'),
});

export const routingConfig = z.strictObject({
  routers: z
    .array(routerConfig)
    .default([])
    .superRefine((routers, context) => {
      const names = new Set<string>();
      for (const [index, { name }] of routers.entries()) {
        if (names.has(name)) {
          context.addIssue({ code: 'custom', message: 'is the name of another router', path: [index, 'name'] });
        }
        names.add(name);
      }
    })
    .describe('What else is behind the gateway, beside mcpServers. Guarded unless it says "auth": false.'),
  services: z
    .record(z.string().regex(/^[\w.-]+$/), service)
    .default({})
    .describe('Servers that routers name, by name.'),
  middlewares: middlewaresConfig,
});

export type RouterConfig = z.output<typeof routerConfig>;
export type ServiceConfig = z.output<typeof service>;

function isPlain(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { search, hash, username, password } = new URL(text);
  return search === '' && hash === '' && username === '' && password === '';
}
