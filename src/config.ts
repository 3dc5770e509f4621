/** The configuration: one slice per room, joined, read from a file and the command line, and checked whole. */

import { resolve } from 'node:path';
import * as z from 'zod';
import {
  ConfigError,
  defaultFile,
  directoryOf,
  type Fault,
  jsonPath,
  presentFile,
  readConfigFile,
  resolveReferences,
} from './config-file.ts';
import { logConfig } from './log-config.ts';
import { bridgeLimits, mcpServersConfig } from './mcp/config.ts';
import { metricsConfig } from './metrics/config.ts';
import { nearest } from './nearest-name.ts';
import { authConfig } from './oauth/config.ts';
import { limitsConfig, routerConfig } from './router/config.ts';
import { defaultStore, storeConfig, storeKeyConfig } from './store/config.ts';
import { tlsConfig } from './tls/config.ts';
import { tracingConfig } from './tracing/config.ts';

const publicUrl = z
  .url({ protocol: /^https?$/, error: 'must be a URL such as "https://mcp.example.com"' })
  .transform((text) => new URL(text))
  .refine((url) => url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '', {
    error: 'must be scheme and host alone, such as "https://mcp.example.com"',
  })
  // OAuth 2.1 §1.5: every endpoint of an authorization server is reached over TLS; loopback is for development.
  .refine((url) => url.protocol === 'https:' || isLoopback(url.hostname), {
    error: 'must be https:// (http:// is for loopback addresses only)',
  })
  .describe('The issuer, and the base of every URL the gateway prints. [`http://` and the address it listens on]');

export const configSchema = z.strictObject({
  publicUrl: publicUrl.optional(),
  stateDir: z
    .string()
    .min(1)
    .optional()
    .describe('Where keys, grants and the admin socket are kept; made with mode 0700. [`$STATE_DIRECTORY`, else none]'),
  store: storeConfig.optional(),
  storeKey: storeKeyConfig.optional(),
  peers: z
    .strictObject({
      listen: z
        .string()
        .regex(/^(\[[\da-f:.]+\]|[\d.]+):\d+$/i, 'must be an address of this host and a port, such as "10.0.0.2:7946"')
        .describe('Where the other gateways on this store reach this one: an address of the network they share.'),
    })
    .optional()
    .describe('Several gateways on one Redis hand each other the requests of the sessions they have.'),
  ...routerConfig.shape,
  tls: tlsConfig.optional().describe('Certificates for https'),
  auth: authConfig,
  mcpServers: mcpServersConfig,
  workers: z
    .literal(1, { error: 'can be 1 alone: on one host a second process gains too little, see docs/performance.md' })
    .default(1)
    .describe('Processes that serve. [1]'),
  limits: limitsConfig.extend({ mcp: bridgeLimits }).prefault({}).describe('What the gateway puts up with.'),
  log: logConfig,
  metrics: metricsConfig,
  tracing: tracingConfig.optional().describe('What OpenTelemetry collects.'),
});

type Parsed = z.output<typeof configSchema>;

interface Listening {
  readonly listen: string;
  readonly proxyProtocol?: boolean;
}

export interface GatewayConfig extends Omit<Parsed, 'store' | 'stateDir' | 'entrypoints'> {
  readonly entrypoints: { readonly http: Listening; readonly https?: Listening };
  readonly store: string;
  readonly stateDir: string | undefined;
}

export interface ConfigSource {
  /** Without it, the file of `presentFile`, where no server was given either. */
  readonly file?: string;
  /** What the command line says; wins over the file, key by key. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  readonly env: NodeJS.ProcessEnv;
}

/** Throws `ConfigError` with every fault at once. */
export function loadConfig(source: ConfigSource): GatewayConfig {
  const overrides = source.overrides ?? {};
  const file = source.file ?? (overrides.mcpServers === undefined ? presentFile() : undefined);
  if (file === undefined && overrides.mcpServers === undefined) {
    const message = `there is none; write ${defaultFile}, name a file with -c, or publish one server with: serve -- COMMAND`;
    throw new ConfigError('configuration', [{ path: '', message }]);
  }
  const faults: Fault[] = [];
  const from = { directory: directoryOf(file), env: source.env };
  const written = file === undefined ? {} : resolveReferences(readConfigFile(file), from, faults);
  // Code made for each object pays when many are parsed; here it is one.
  const parsed = configSchema.safeParse(merge(written, overrides), { reportInput: false, jitless: true });
  // What is wrong with a reference is not wrong with what it would have stood for.
  const unresolved = new Set(faults.map(({ path }) => path));
  const issues = parsed.success ? [] : parsed.error.issues.flatMap(faultsOf);
  faults.push(...issues.filter(({ path }) => !unresolved.has(path)));
  if (!parsed.success || faults.length > 0) throw new ConfigError(file ?? 'command line', faults);
  const config = withDefaults(parsed.data, source.env);
  const conflicts = conflictsOf(config);
  if (conflicts.length > 0) throw new ConfigError(file ?? 'command line', conflicts);
  return config;
}

function withDefaults(parsed: Parsed, env: NodeJS.ProcessEnv): GatewayConfig {
  // systemd.exec(5): several StateDirectory= names arrive joined by colons.
  const stateDir = parsed.stateDir ?? (env.STATE_DIRECTORY?.split(':')[0] || undefined);
  return {
    ...parsed,
    stateDir: stateDir === undefined ? undefined : resolve(stateDir),
    store: parsed.store ?? defaultStore(stateDir),
    entrypoints: entrypointsOf(parsed),
  };
}

function entrypointsOf({ entrypoints: { http, https }, tls }: Parsed): GatewayConfig['entrypoints'] {
  if (tls === undefined && https === undefined) return { http: { ...http, listen: http.listen ?? '127.0.0.1:8080' } };
  return {
    http: { ...http, listen: http.listen ?? ':80' },
    https: { proxyProtocol: https?.proxyProtocol ?? false, listen: https?.listen ?? ':443' },
  };
}

/** What each key allows by itself and the whole does not. */
function conflictsOf(config: GatewayConfig): Fault[] {
  const faults: Fault[] = [];
  const { login } = config.auth;
  const open = Object.entries(config.entrypoints).find(([, { listen }]) => !isLoopback(hostOf(listen)));
  if (open !== undefined && Object.values(login).every((way) => way === undefined)) {
    const [name, { listen }] = open;
    const message = `${listen} is open to other hosts and nobody can log in; configure auth.login, or listen on 127.0.0.1`;
    faults.push({ path: `entrypoints.${name}.listen`, message });
  }
  if (config.publicUrl === undefined && open !== undefined) {
    const message = `is needed where ${open[1].listen} is listened on: it is the base of every URL the gateway prints`;
    faults.push({ path: 'publicUrl', message });
  }
  faults.push(...tlsConflicts(config), ...proxyConflicts(config));
  const places = new Map<string, string>();
  for (const [name, server] of Object.entries(config.mcpServers)) {
    const place = server.host === undefined ? (server.path ?? `/${name}/mcp`) : `//${server.host.toLowerCase()}/mcp`;
    const other = places.get(place);
    if (other !== undefined)
      faults.push({ path: `mcpServers.${name}`, message: `is at ${place}, where ${other} is already` });
    places.set(place, name);
  }
  const identifiers = new Set<string>();
  for (const [index, { identifier }] of config.auth.resources.entries()) {
    const path = `auth.resources[${index}].url`;
    const { protocol, hostname, pathname } = new URL(identifier);
    const key = `${hostname}${pathname}`;
    if (identifiers.has(key)) faults.push({ path, message: 'is guarded already by another entry' });
    identifiers.add(key);
    // RFC 9728 §1.2, OAuth 2.1 §1.5: tokens go over TLS; loopback is for development.
    if (protocol === 'http:' && !isLoopback(hostname))
      faults.push({ path, message: 'must be https:// (http:// is for loopback addresses only)' });
  }
  if (config.auth.resources.length > 0 && config.trustedProxies.length === 0) {
    const message = 'are asked about by a proxy in front, and trustedProxies names none';
    faults.push({ path: 'auth.resources', message });
  }
  if (config.store === 'file:' && config.stateDir === undefined) {
    faults.push({ path: 'store', message: '"file:" needs stateDir; set it, or write "file:PATH"' });
  }
  if (config.peers !== undefined && (!/^rediss?:/.test(config.store) || config.storeKey === undefined))
    faults.push({ path: 'peers', message: 'needs a Redis as store and a storeKey, the same on every gateway' });
  if (/^rediss?:/.test(config.store) && config.stateDir === undefined && config.storeKey === undefined) {
    const message = 'is needed where the store is a Redis and there is no stateDir: private keys are sealed with it';
    faults.push({ path: 'storeKey', message });
  }
  return faults;
}

function proxyConflicts({ entrypoints, trustedProxies }: GatewayConfig): Fault[] {
  return Object.entries(entrypoints).flatMap(([name, { listen, proxyProtocol }]): Fault[] => {
    const path = `entrypoints.${name}.proxyProtocol`;
    if (!proxyProtocol) return [];
    if (trustedProxies.length === 0) return [{ path, message: 'is believed from trustedProxies alone; name them' }];
    if (listen.startsWith('unix:')) return [{ path, message: 'needs an entrypoint that listens on an IP address' }];
    return [];
  });
}

function tlsConflicts({ tls, entrypoints, publicUrl, stateDir, store }: GatewayConfig): Fault[] {
  if (tls === undefined) {
    const message = 'needs certificates; configure tls (acme, files or internal)';
    return entrypoints.https === undefined ? [] : [{ path: 'entrypoints.https', message }];
  }
  const faults: Fault[] = [];
  if (publicUrl?.protocol !== 'https:') {
    faults.push({
      path: 'publicUrl',
      message: 'must be the https:// URL that people reach the gateway at, where tls is configured',
    });
  }
  if (tls.internal && stateDir === undefined) {
    faults.push({ path: 'tls.internal', message: 'keeps its authority in stateDir; set it' });
  }
  if (tls.acme !== undefined && store === 'memory:') {
    const message =
      'needs a store that outlives the process, else each start would order anew and run into the limits of the issuer; set stateDir';
    faults.push({ path: 'tls.acme', message });
  }
  return faults;
}

/** The host of `"127.0.0.1:8080"`, `":443"` or `"[::1]:8080"`; empty where every address is meant. */
function hostOf(listen: string): string {
  return listen.replace(/:\d+$/, '');
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host === '::1' || /^127(\.\d+){3}$/.test(host);
}

/** Objects are merged key by key; anything else on the right wins. */
function merge(left: unknown, right: unknown): unknown {
  if (!isRecord(left) || !isRecord(right)) return right;
  const merged: Record<string, unknown> = { ...left };
  for (const [key, value] of Object.entries(right)) merged[key] = key in left ? merge(left[key], value) : value;
  return merged;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function faultsOf(issue: z.core.$ZodIssue): Fault[] {
  if (issue.code === 'invalid_union' && issue.message === 'Invalid input') return faultsOfForms(issue);
  if (issue.code !== 'unrecognized_keys') return [{ path: jsonPath(issue.path), message: issue.message }];
  const known = keysAt(issue.path);
  return issue.keys.map((key) => {
    const near = nearest(key, known);
    const hint = near === undefined ? `known here: ${known.join(', ')}` : `did you mean "${near}"?`;
    return { path: jsonPath([...issue.path, key]), message: `is no known key; ${hint}` };
  });
}

/** What may be written in several forms: the faults of the form whose type it has, else what each form would be. */
function faultsOfForms({ path, errors }: z.core.$ZodIssueInvalidUnion): Fault[] {
  const forms = errors.map((issues) => issues.map((issue) => ({ ...issue, path: [...path, ...issue.path] })));
  const ofAnotherType = ({ code, path: place }: z.core.$ZodIssue) =>
    place.length === path.length && (code === 'invalid_type' || code === 'invalid_value');
  const meant = forms.find((issues) => !issues.some(ofAnotherType));
  if (meant !== undefined) return meant.flatMap(faultsOf);
  const message = forms.flatMap((issues) => issues.filter(ofAnotherType).map((issue) => issue.message)).join(', or ');
  return [{ path: jsonPath(path), message }];
}

/** The JSON Schema of what a person may write; references may stand for any string. */
export function configJsonSchema(): JsonSchema {
  return z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

function keysAt(path: readonly PropertyKey[]): string[] {
  let places: JsonSchema[] = [configJsonSchema()];
  for (const part of path) {
    places = places.flatMap(alternatives).flatMap((place) => {
      const next =
        typeof part === 'number' ? place.items : (place.properties?.[String(part)] ?? place.additionalProperties);
      return typeof next === 'object' ? [next] : [];
    });
  }
  return [...new Set(places.flatMap(alternatives).flatMap((place) => Object.keys(place.properties ?? {})))];
}

function alternatives(place: JsonSchema): JsonSchema[] {
  return [place, ...(place.anyOf ?? []).flatMap(alternatives)];
}
