/** Slice of the configuration: what else is behind the gateway, in Traefik's words. */

import { z } from 'zod';
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
    .refine((url) => (/^https?:\/\//.test(url) && isPlain(url)) || /^unix:\/[^?#]+$/.test(url), {
      error: 'is no server; write "http://127.0.0.1:3000", "https://app.internal" or "unix:/run/app.sock"',
    })
    .describe('`http://`, `https://`, or `unix:` and the path of a socket; a path is put before that of the request.'),
  weight: z.int().nonnegative().max(10_000).default(1).describe('Its share of the requests; 0 gets none.'),
});

const service = z.strictObject({
  servers: z.array(server).min(1, 'needs a server').describe('Where requests go.'),
  passHostHeader: z.boolean().default(true).describe('Whether servers see the host that the client asked for.'),
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
