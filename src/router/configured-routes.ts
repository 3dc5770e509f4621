/** The routers of the configuration as routes. A faulty one throws as it is built, which disables it and no other. */

import { type Handler, type Middleware, type Route, refusal } from './handler.ts';
import type { MiddlewareConfig } from './middlewares/config.ts';
import { hasEncodedSeparator } from './request-target.ts';
import type { RouterConfig, ServiceConfig } from './routing-config.ts';
import { compileRule } from './rule.ts';

export interface RoutingParts {
  readonly services: Readonly<Record<string, ServiceConfig>>;
  readonly middlewares: Readonly<Record<string, MiddlewareConfig>>;
  /** The handler of a service by its name. */
  service(name: string): Handler | undefined;
  /** Throws where there is none of that name, or it cannot be built. */
  middleware(name: string): Middleware;
  guard(router: RouterConfig): Middleware;
}

export function configuredRoutes(routers: readonly RouterConfig[], parts: RoutingParts): Route[] {
  const protects = (router: RouterConfig) =>
    router.auth !== false || router.middlewares.some((name) => asksWho(name, parts.middlewares));
  const shielded = new Set(routers.filter(protects).map(({ service }) => service));
  return routers.map((router) => {
    const service = parts.service(router.service);
    const guarded = router.auth !== false;
    const middlewares = router.middlewares.map((name) => late(() => parts.middleware(name)));
    if (shielded.has(router.service)) middlewares.unshift(plainPath);
    if (guarded) middlewares.push(late(() => parts.guard(router)));
    return {
      name: router.name,
      rule: router.rule,
      priority: router.priority,
      guarded,
      target: targetOf(router.service, parts.services[router.service]),
      middlewares: service === undefined ? [late(() => noService(router.service, parts.services))] : middlewares,
      service: service ?? nothing,
    };
  });
}

/** What a certificate for the hosts of a router's rule bears, wildcards too; none where the rule is faulty. */
export function hostsOfRule(rule: string): readonly string[] {
  try {
    return compileRule(rule).names;
  } catch {
    return [];
  }
}

/**
 * The resource identifier of a guarded router: its own word, else the host of its rule and the longest path it names.
 * Undefined where the rule leaves open which host that is.
 */
export function identifierOf({ rule, resource }: RouterConfig, publicUrl: URL): string | undefined {
  if (resource !== undefined) return new URL(resource).href.replace(/\/$/, '');
  let compiled: ReturnType<typeof compileRule>;
  try {
    compiled = compileRule(rule);
  } catch {
    return undefined;
  }
  const { hosts = new Set([publicUrl.hostname]), paths = [] } = compiled;
  const [host = ''] = hosts;
  if (hosts.size !== 1 || host.startsWith('*')) return undefined;
  const origin = host === publicUrl.hostname ? publicUrl.origin : `${publicUrl.protocol}//${host}`;
  const longest = paths.map(({ path }) => path).reduce((a, b) => (b.length > a.length ? b : a), '/');
  return `${origin}${longest}`.replace(/\/+$/, '');
}

interface Resource {
  readonly identifier: string;
}

/** Of a resource that only a router names. */
interface RouterResource extends Resource {
  readonly name: string;
  readonly scopes: readonly string[];
  readonly allow?: Exclude<RouterConfig['auth'], boolean>['allow'];
}

/** What guarded routers protect, by their names. Several may protect the same, which is then guarded as the first of all says. */
export function routerResources<R extends Resource>(
  routers: readonly RouterConfig[],
  publicUrl: URL,
  others: readonly R[],
): ReadonlyMap<string, R | RouterResource> {
  const known = new Map<string, R | RouterResource>(others.map((resource) => [resource.identifier, resource]));
  const found = new Map<string, R | RouterResource>();
  for (const router of routers) {
    const identifier = router.auth === false ? undefined : identifierOf(router, publicUrl);
    if (identifier === undefined) continue;
    const { scopes, allow } = typeof router.auth === 'object' ? router.auth : { scopes: [] };
    const resource = known.get(identifier) ?? { identifier, name: router.name, scopes, ...(allow && { allow }) };
    known.set(identifier, resource);
    found.set(router.name, resource);
  }
  return found;
}

/** Throws where a guarded router has none: it is disabled then, and never open. */
export function guardedBy<R>(resources: ReadonlyMap<string, R>, router: string): R {
  const resource = resources.get(router);
  if (resource !== undefined) return resource;
  throw new Error('the rule names no one host to guard; set resource to a URL, or "auth": false to let everybody in');
}

/**
 * Where one router protects a part of a service, `/admin%2Fx` must reach that service by no other router: it would be another
 * path to us than to a server that decodes it.
 */
const plainPath: Middleware = (next) => (exchange) => {
  if (!hasEncodedSeparator(exchange.path)) return next(exchange);
  throw refusal(400, 'invalid_request', 'the path holds an encoded slash, backslash or percent sign');
};

function asksWho(name: string, configs: RoutingParts['middlewares'], seen: readonly string[] = []): boolean {
  const config = Object.hasOwn(configs, name) ? configs[name] : undefined;
  if (config === undefined || seen.includes(name)) return false;
  if (config.basicAuth || config.forwardAuth || config.ipAllowList) return true;
  return config.chain?.middlewares.some((part) => asksWho(part, configs, [...seen, name])) ?? false;
}

function late(build: () => Middleware): Middleware {
  return (next) => build()(next);
}

function noService(name: string, services: RoutingParts['services']): never {
  const known = Object.keys(services);
  throw new Error(
    `no service is called ${name}; ${known.length > 0 ? `there is ${known.join(', ')}` : 'add it to services'}`,
  );
}

function targetOf(name: string, service: ServiceConfig | undefined): string {
  return service === undefined ? name : `${name} (${service.servers.map(({ url }) => url).join(', ')})`;
}

function nothing(): never {
  throw refusal(503, 'temporarily_unavailable', 'no server is available');
}
