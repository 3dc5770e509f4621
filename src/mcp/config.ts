/** Slice of the configuration: `mcpServers.NAME`, and the limits that all of them share. */

import * as z from 'zod';
import { duration, size } from '../units.ts';

/** A string, or a fact about the caller that is filled in when the child starts. */
const callerValue = z.strictObject({
  $caller: z.enum(['name', 'subject', 'clientId']).describe('Which fact about the caller.'),
});
const value = z.union([z.string(), callerValue], { error: 'is neither a string nor {"$caller": "name"}' });

const patterns = z.array(z.string().min(1));

export const isolations = ['session', 'caller', 'shared'] as const;

const shape = {
  type: z
    .enum(['stdio', 'http', 'streamable-http'])
    .optional()
    .describe('Allowed because clients write it; what counts is command or url.'),
  command: z.string().min(1).optional().describe('Program to start; run without a shell.'),
  args: z.array(value).default([]).describe('Its arguments. {"$caller": "name"} stands for the caller.'),
  env: z
    .record(z.string(), value)
    .default({})
    .describe('Environment added to the few variables that children inherit.'),
  cwd: z.string().optional().describe('Working directory. [that of the gateway]'),
  url: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('MCP endpoint of a server that speaks HTTP itself.'),
  headers: z.record(z.string(), z.string()).default({}).describe('Headers added to requests to url.'),
  host: z.string().min(1).optional().describe('Host name of its own; the path is then /mcp.'),
  path: z.string().startsWith('/').optional().describe('Path of the MCP endpoint. [/NAME/mcp]'),
  public: z.boolean().default(false).describe('Reachable without a token.'),
  allow: z
    .strictObject({
      users: patterns.optional().describe('Names or provider:subject; "*" is everybody who may log in.'),
      clients: patterns.optional().describe('Client identifiers.'),
    })
    .default({})
    .describe('Who may use the server. [everybody who may log in]'),
  scopes: z.array(z.string().min(1)).default([]).describe('Scopes a token must have.'),
  tools: z
    .strictObject({
      allow: patterns.optional().describe('Only these; * stands for any run of characters.'),
      deny: patterns.default([]).describe('Not these, whatever allow says.'),
    })
    .prefault({})
    .describe('Which tools are listed and may be called.'),
  isolation: z
    .enum(isolations)
    .default('session')
    .describe(
      'One child for each session, for each caller, or one shared by all. Where the protocol has no sessions (2026-07-28), session means caller.',
    ),
  spare: z
    .boolean()
    .default(false)
    .describe('Keeps one child started ahead, so that a new session does not wait for it.'),
  idleTimeout: duration.prefault('10m').describe('A session without a call or a stream ends after this long.'),
  maxChildren: z.int().positive().default(100).describe('Children at once.'),
  maxSessions: z.int().positive().default(1000).describe('Sessions at once.'),
  requestTimeout: duration
    .prefault('10m')
    .describe('A call ends after this long without an answer or progress; also the first one.'),
  enabled: z.boolean().default(true).describe('Whether the server is published.'),
};

export const mcpServerConfig = z.strictObject(shape).superRefine((config, context) => {
  const fault = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
  if ((config.command === undefined) === (config.url === undefined)) fault([], 'needs either "command" or "url"');
  if (config.url !== undefined && (config.type === 'stdio' || config.args.length > 0)) {
    fault(['url'], 'cannot be combined with "args" or the type "stdio"');
  }
  if (config.command !== undefined && config.type !== undefined && config.type !== 'stdio') {
    fault(['type'], 'is "stdio" where there is a command');
  }
  if (config.host !== undefined && config.path !== undefined) fault(['path'], 'is always /mcp where "host" is set');
  if (!usesCaller(config)) return;
  if (config.public) fault(['public'], 'a public server has no caller that {"$caller"} could stand for');
  if (config.isolation === 'shared') fault(['isolation'], 'must be "session" or "caller" where {"$caller"} is used');
});

export const mcpServersConfig = z
  .record(
    z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]*$/, 'is not a server name; use letters, digits, ".", "_" and "-"'),
    mcpServerConfig,
  )
  .default({})
  .describe('The MCP servers, in the form clients keep them in.');

/** `limits.mcp`: what holds for every server. */
export const bridgeLimits = z
  .strictObject({
    message: size.prefault('32mb').describe('Longest message, in either direction.'),
    sessionsPerCaller: z.int().positive().default(100).describe('Sessions of one caller at one server.'),
    childrenPerCaller: z.int().positive().default(20).describe('Children of one caller at one server.'),
    callsPerSession: z.int().positive().default(256).describe('Calls in flight in one session.'),
    eventLog: size.prefault('1mb').describe('What one session keeps for streams that are interrupted or slow.'),
    sessionLifetime: duration.prefault('24h').describe('A session older than this ends as soon as it is quiet.'),
    keepAlive: duration.prefault('15s').describe('A stream never stays silent longer than this.'),
    stalled: duration.prefault('60s').describe('A stream whose reader takes nothing for this long is cut.'),
    streamAfter: duration
      .prefault('1s')
      .describe('A call not answered by then is answered as an event stream, which can be resumed.'),
    childGrace: duration.prefault('2s').describe('Time a child has after its input closed, and again after TERM.'),
  })
  .prefault({})
  .describe('What one MCP server behind a bridge may take.');

export type BridgeLimits = z.infer<typeof bridgeLimits>;
export type CallerValue = z.infer<typeof value>;
export type McpServerConfig = z.infer<typeof mcpServerConfig>;
export type RemoteServerConfig = McpServerConfig & { readonly url: string };
export type StdioServerConfig = McpServerConfig & { readonly command: string };

export function isStdio(config: McpServerConfig): config is StdioServerConfig {
  return config.command !== undefined;
}

export function usesCaller(config: {
  readonly args: readonly CallerValue[];
  readonly env: Readonly<Record<string, CallerValue>>;
}): boolean {
  return [...config.args, ...Object.values(config.env)].some((item) => typeof item !== 'string');
}
