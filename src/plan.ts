/** What one configuration makes of the parts: the servers, their routes and middlewares, and the authorization server. */

import { isDeepStrictEqual } from 'node:util';
import type { GatewayConfig } from './config.ts';
import type { Console } from './console/console.ts';
import { hostRule } from './hosts.ts';
import type { Log } from './log.ts';
import type { BridgeStatus } from './mcp/bridge.ts';
import { isStdio, type McpServerConfig } from './mcp/config.ts';
import type { Reaper } from './mcp/reaper.ts';
import type { Administration } from './oauth/administration.ts';
import { authorizationServer } from './oauth/authorization-server.ts';
import type { AuthConfig } from './oauth/config.ts';
import type { ProtectedResource } from './oauth/resource.ts';
import type { Peers } from './peers.ts';
import { allowOrigins, origins } from './router/allow-origins.ts';
import { configuredRoutes, guardedBy, routerResources } from './router/configured-routes.ts';
import { cors } from './router/cors.ts';
import type { Handler, Route } from './router/handler.ts';
import { healthRoutes } from './router/liveness.ts';
import { builtInPriority, type Router, router } from './router/router.ts';
import type { ServiceConfig } from './router/routing-config.ts';
import type { ServerHealth } from './router/service.ts';
import type { Store } from './store/store.ts';
import type { Tracing } from './tracing/tracing.ts';

/** One MCP server as people see it. */
export interface PublishedServer {
  readonly name: string;
  /** Where clients connect; the resource identifier of RFC 8707. */
  readonly url: string;
  readonly guarded: boolean;
  readonly target: string;
}

/** What outlives a reload. */
export interface Parts {
  readonly store: Store;
  readonly reaper: Reaper;
  /** The other gateways on this store. */
  readonly peers?: Peers | undefined;
  /** Where the configuration names administrators. */
  readonly console?: Console | undefined;
  readonly log: Log;
  readonly tracing?: Tracing | undefined;
  /** Where the configuration names no way to log in: the one that was made for this run. */
  readonly login: AuthConfig['login'] | undefined;
  /** Why the gateway should get no requests now. */
  ailment(): Promise<string | undefined>;
}

/** One configuration at work. */
export interface Plan {
  readonly router: Router;
  readonly servers: readonly PublishedServer[];
  readonly services: ReadonlyMap<string, Service>;
  readonly administration: Administration;
  /** Ends what the next plan, if there is one, did not take over. */
  retire(next?: Plan): Promise<void>;
}

interface Service extends AsyncDisposable {
  readonly config: object;
  readonly handler: Handler;
  /** Of an MCP server: for clients of 2024-11-05. */
  readonly sse?: Handler;
  quiesce(): void;
  /** Of the processes it has; absent for a server with a life of its own. */
  readonly status?: () => BridgeStatus;
  /** Of a service of the configuration. */
  readonly health?: () => readonly ServerHealth[];
}

export async function assemble(config: GatewayConfig, publicUrl: URL, parts: Parts, before?: Plan): Promise<Plan> {
  await using building = new AsyncDisposableStack();
  const { log, store } = parts;
  const published = Object.entries(config.mcpServers).filter(([, server]) => server.enabled);
  const resources = new Map(published.map(([name, server]) => [name, resourceOf(name, server, publicUrl)]));
  const taken = new Set([...resources.values()].map(({ identifier }) => identifier));
  const former = new Map(
    [...resources]
      .map(([name, resource]) => [name, formerDoor(resource)] as const)
      .filter(([, { identifier }]) => !taken.has(identifier)),
  );
  const fixed = [...resources.values(), ...former.values(), ...config.auth.resources];
  const ofRouters = routerResources<ProtectedResource>(config.routers, publicUrl, fixed);
  const guarded = [...new Set([...fixed, ...ofRouters.values()])];
  const authorization = await authorizationServer(
    { ...config.auth, login: parts.login ?? config.auth.login },
    { publicUrl, store, resources: guarded },
  );

  const guard = (resource: ProtectedResource) => {
    const made = authorization.guard(resource);
    return parts.tracing?.middleware('guard', made) ?? made;
  };

  const services = new Map<string, Service>();
  for (const [name, server] of published) {
    const kept = before?.services.get(name);
    const same = kept !== undefined && isDeepStrictEqual(kept.config, server);
    services.set(name, same ? kept : building.use(traced(name, await openService(name, server, config, parts), parts)));
  }
  for (const [name, service] of Object.entries(config.services)) {
    const key = routed(name);
    const kept = before?.services.get(key);
    const same = kept !== undefined && isDeepStrictEqual(kept.config, service);
    services.set(key, same ? kept : building.use(traced(name, await openRouted(name, service, config, parts), parts)));
  }

  const mayCall = origins(publicUrl, config.auth.allowedOrigins);
  const readable = cors({
    origins: mayCall,
    methods: ['GET', 'POST', 'DELETE'],
    expose: ['WWW-Authenticate', 'Mcp-Session-Id', 'MCP-Protocol-Version'],
  });
  const everyOrigin = cors({ origins: '*', methods: ['GET', 'POST', 'PUT', 'DELETE'] });
  const own = (rule: string) => `${hostRule(publicUrl)} && ${rule}`;
  const hosts = new Set(guarded.map(({ identifier }) => new URL(identifier).hostname));
  const everyHost = [hostRule(publicUrl), ...[...hosts].map((host) => `Host(\`${host}\`)`)].join(' || ');
  const consoleRoutes =
    config.auth.admins.length > 0 ? (parts.console?.routes(authorization.administrators) ?? []) : [];
  const builtIn = (route: Route, rule: string): Route => ({ ...route, rule, priority: builtInPriority });
  const routes: Route[] = [
    ...healthRoutes(parts.ailment),
    ...[...authorization.pages, ...consoleRoutes].map((route) => builtIn(route, own(route.rule))),
    ...authorization.endpoints.map((route) => ({
      ...builtIn(route, own(`(${route.rule})`)),
      middlewares: [everyOrigin],
    })),
    ...authorization.discovery.map((route) => ({
      ...builtIn(route, `(${everyHost}) && (${route.rule})`),
      middlewares: [everyOrigin],
    })),
    {
      ...authorization.verify,
      // Behind a trusted proxy the host is that of the guarded site; X-Forwarded-Uri is what only a question has.
      rule: `${authorization.verify.rule} && (${everyHost} || HeaderRegexp(\`X-Forwarded-Uri\`, \`^\`))`,
      priority: builtInPriority,
    },
  ];
  const servers: PublishedServer[] = [];
  for (const [name, server] of published) {
    const resource = resources.get(name);
    const service = services.get(name);
    if (resource === undefined || service === undefined) continue;
    const target = isStdio(server) ? [server.command, ...server.args].join(' ') : (server.url ?? '');
    servers.push({ name, url: new URL(resource.identifier).href, guarded: !server.public, target });
    const door = (name: string, resource: ProtectedResource, service: Handler): Route => {
      const { hostname, pathname } = new URL(resource.identifier);
      return {
        name,
        rule: `${server.host === undefined ? hostRule(publicUrl) : `Host(\`${hostname}\`)`} && (Path(\`${pathname}\`) || Path(\`${pathname}/\`))`,
        priority: builtInPriority,
        guarded: !server.public,
        target,
        middlewares: [readable, allowOrigins(mayCall), ...(server.public ? [] : [guard(resource)])],
        service,
      };
    };
    routes.push(door(name, resource, service.handler));
    const sse = former.get(name);
    if (sse !== undefined && service.sse !== undefined) routes.push(door(`${name} (sse)`, sse, service.sse));
  }
  const held = building.use(new AsyncDisposableStack());
  if (config.routers.length > 0) {
    const { middlewareBuilder } = await import('./router/middlewares/build.ts');
    const rest = configuredRoutes(config.routers, {
      services: config.services,
      middlewares: config.middlewares,
      service: (name) => services.get(routed(name))?.handler,
      middleware: middlewareBuilder(config.middlewares, held),
      guard: ({ name }) => guard(guardedBy(ofRouters, name)),
    });
    routes.push(...rest);
  }

  building.move();
  return {
    router: router(routes, log),
    servers,
    services,
    administration: authorization.administration,
    async retire(next) {
      const over = [...services].filter(([name, service]) => next?.services.get(name) !== service);
      await Promise.all([held.disposeAsync(), ...over.map(([, service]) => service[Symbol.asyncDispose]())]);
    },
  };
}

/** Where clients of 2024-11-05 connect: `/files/sse` beside `/files/mcp`. */
function formerDoor(resource: ProtectedResource): ProtectedResource {
  return { ...resource, identifier: `${resource.identifier.replace(/\/mcp$/, '')}/sse`, alias: true };
}

function resourceOf(name: string, server: McpServerConfig, publicUrl: URL): ProtectedResource {
  const url =
    server.host === undefined
      ? new URL(server.path ?? `/${name}/mcp`, publicUrl)
      : new URL(`${publicUrl.protocol}//${server.host}/mcp`);
  return {
    identifier: url.href.replace(/\/$/, ''),
    name,
    scopes: server.scopes,
    allow: server.allow,
  };
}

/** Names of servers hold no slash. */
function routed(name: string): string {
  return `services/${name}`;
}

async function openRouted(
  name: string,
  config: ServiceConfig,
  { limits }: GatewayConfig,
  { log }: Parts,
): Promise<Service> {
  const { service } = await import('./router/service.ts');
  return serviceOf(config, service(name, config, { log, limits }));
}

/** What answers at a server's path: a bridge to its child, or its own HTTP. */
async function openService(
  name: string,
  server: McpServerConfig,
  config: GatewayConfig,
  parts: Parts,
): Promise<Service> {
  const { log, reaper, peers } = parts;
  const forwarded = (service: Service): Service =>
    peers === undefined
      ? service
      : {
          ...service,
          handler: peers.forwarding(service.handler),
          ...(service.sse && { sse: peers.forwarding(service.sse) }),
        };
  if (isStdio(server)) {
    const { bridge } = await import('./mcp/bridge.ts');
    const opened = bridge(name, server, { log, reaper, limits: config.limits.mcp, gatewayId: peers?.id });
    return forwarded(serviceOf(server, opened));
  }
  const { upstream } = await import('./router/upstream.ts');
  const opened = upstream(
    { url: server.url ?? '', headers: server.headers },
    {
      log,
      limits: { ...config.limits, responseTimeout: server.requestTimeout },
    },
  );
  const { remote } = await import('./mcp/remote.ts');
  const joined = remote(
    name,
    { ...server, url: server.url ?? '' },
    {
      log,
      reaper,
      limits: config.limits.mcp,
      connectTimeout: config.limits.connectTimeout,
      gatewayId: peers?.id,
      pass: opened,
      auditedBody: (config.log.audit ?? config.metrics.listen) === undefined ? undefined : config.limits.body,
    },
  );
  return forwarded(serviceOf(server, joined));
}

function traced(name: string, service: Service, { tracing }: Parts): Service {
  if (tracing === undefined) return service;
  const { handler, sse } = service;
  return { ...service, handler: tracing.service(name, handler), ...(sse && { sse: tracing.service(name, sse) }) };
}

function serviceOf(
  config: object,
  opened: AsyncDisposable & { service: Handler; sse?: Handler; quiesce(): void } & Pick<Service, 'status' | 'health'>,
): Service {
  return {
    config,
    handler: opened.service,
    ...(opened.sse && { sse: opened.sse }),
    quiesce: opened.quiesce,
    ...(opened.status && { status: opened.status }),
    ...(opened.health && { health: opened.health }),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}
