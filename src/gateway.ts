/** The composition root: a configuration in, a running gateway out. It reads in the order a request meets things. */

import { randomBytes } from 'node:crypto';
import { setTimeout as after } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { GatewayConfig } from './config.ts';
import type { Operations } from './console/operations.ts';
import { type GatewayStatus, gatewayStatus } from './gateway-status.ts';
import { hostsOf } from './hosts.ts';
import { type Log, overheard } from './log.ts';
import { openReaper } from './mcp/reaper.ts';
import type { Administration } from './oauth/administration.ts';
import type { AuthConfig } from './oauth/config.ts';
import { hashPassword } from './oauth/password.ts';
import { assemble, type Parts, type Plan, type PublishedServer } from './plan.ts';
import { type Entrypoint, listen } from './router/entrypoint.ts';
import type { Handler } from './router/handler.ts';
import { health, healthOr } from './router/liveness.ts';
import { requestCounts } from './router/request-counts.ts';
import type { Router } from './router/router.ts';
import { openStore } from './store/open-store.ts';
import { rememberingReads } from './store/recent-reads.ts';
import { ailmentOf, type Store } from './store/store.ts';
import { type Trail, timeline } from './timeline.ts';
import type { Tls } from './tls/tls.ts';

export interface Gateway extends AsyncDisposable {
  readonly publicUrl: URL;
  readonly servers: readonly PublishedServer[];
  readonly table: Router['table'];
  /** Of the `admin` user made where no way to log in is configured. */
  readonly adminPassword: string | undefined;
  /** PEM of the local authority, where certificates come from it. */
  readonly rootFile: string | undefined;
  /** Where the console is, where `auth.admins` names somebody. */
  readonly consoleUrl: string | undefined;
  status(): Promise<GatewayStatus>;
  /** Why requests cannot be served as they should be, if so: what /readyz tells. */
  ailment(): Promise<string | undefined>;
  /** How far clients came on their way to a call, the latest first. */
  timeline(): readonly Trail[];
  /** All that it keeps, unsealed: for backups. */
  readonly store: Store;
  /** Who listens to the gateway hears what is told here. */
  readonly log: Log;
  /** Of the configuration at work. */
  readonly administration: Administration;
  /** Orders now from the ACME issuer; for every host where none is named. Rejects with the first problem and its mend. */
  renewCertificates(host?: string): Promise<void>;
  /** Builds anew and swaps. Streams, sessions and children that the new configuration still has go on. Rejects with nothing changed. */
  reload(config: GatewayConfig): Promise<void>;
}

/**
 * Resolves when requests are answered. Rejects, with nothing left open, where something needed cannot be had. Without
 * `administer`, what an operator can have it do, there is no console, whoever `auth.admins` names.
 */
export async function startGateway(
  config: GatewayConfig,
  toWrite: Log,
  administer?: (gateway: Gateway) => Operations,
): Promise<Gateway> {
  await using opening = new AsyncDisposableStack();
  const startedAt = Date.now();
  const requests = requestCounts();
  const clientTimeline = timeline();
  const watching = both(requests.observe, clientTimeline.observe);
  const { stateDir, storeKey } = config;
  const metrics =
    config.metrics.listen === undefined ? undefined : (await import('./metrics/metrics.ts')).gatewayMetrics();
  const webConsole =
    administer === undefined || config.auth.admins.length === 0
      ? undefined
      : opening.use((await import('./console/console.ts')).openConsole(config.log.level));
  const listeners = [metrics?.hear, webConsole?.hear].filter((hear) => hear !== undefined);
  const log = listeners.reduce((heard, hear) => overheard(heard, hear), toWrite);
  const tracing =
    config.tracing && opening.use((await import('./tracing/tracing.ts')).openTracing(config.tracing, log));
  const opened = opening.use(await openStore(config.store, { log, stateDir, storeKey }));
  // A grant says whether a token is live.
  const store = rememberingReads(metrics?.timed(opened) ?? opened, 'grant');
  const reaper = opening.use(openReaper(log));
  const admin = await adminFor(config.auth);
  let plan: Plan | undefined;
  let stopping = false;
  const serve: Handler = (exchange) => (plan === undefined ? health('starting') : plan.router.handler(exchange));
  const peers = await peersOf(config, store, log, serve);
  if (peers !== undefined) opening.use(peers);
  const parts: Parts = {
    store,
    reaper,
    peers,
    console: webConsole,
    log,
    tracing,
    login: admin.login,
    ailment: async () => (stopping ? 'stopping' : ailmentOf(store)),
  };

  opening.defer(async () => plan?.retire());
  const { http, https } = config.entrypoints;
  const observers = (name: string) => {
    const all = [watching, metrics?.observer(name), tracing?.observe, webConsole?.observe];
    return all.filter((tell) => tell !== undefined).reduce(both);
  };
  const entry = (name: string) => ({
    name,
    trustedProxies: config.trustedProxies,
    limits: config.limits,
    log,
    accessLog: config.log.access,
    observe: observers(name),
    sample: tracing?.sample,
  });
  const entrypoints: { name: string; entrypoint: Entrypoint }[] = [];
  let tls: Tls | undefined;
  if (config.tls !== undefined && https !== undefined && config.publicUrl !== undefined) {
    const { openTls } = await import('./tls/tls.ts');
    const { publicUrl } = config;
    tls = opening.use(await openTls(config.tls, hostsOf(config), { publicUrl, stateDir, store, log }));
    const handler = tls.misdirected(serve);
    const secure = { options: tls.secure, attach: tls.attach };
    const entrypoint = opening.use(
      await listen(
        { ...entry('https'), address: https.listen, proxyProtocol: https.proxyProtocol ?? false, secure },
        handler,
      ),
    );
    entrypoints.push({ name: 'https', entrypoint });
  }
  const plain: Handler = tls === undefined ? serve : healthOr(tls.plain, parts.ailment, log);
  const entrypoint = opening.use(
    await listen({ ...entry('http'), address: http.listen, proxyProtocol: http.proxyProtocol ?? false }, plain),
  );
  entrypoints.push({ name: 'http', entrypoint });
  const publicUrl = config.publicUrl ?? new URL(`http://${entrypoint.address}`);
  plan = await assemble(config, publicUrl, parts);

  const status = () =>
    gatewayStatus({
      startedAt,
      publicUrl,
      entrypoints: entrypoints.map(({ name, entrypoint: { address, connections } }) => ({
        name,
        address,
        connections,
      })),
      certificates: tls?.status() ?? [],
      plan,
      requests: requests.counts(),
    });
  metrics?.use(servicesOf(config));
  if (metrics !== undefined && config.metrics.listen !== undefined) {
    const quiet = { limits: config.limits, log, accessLog: false };
    opening.use(await listen({ ...quiet, address: config.metrics.listen }, metrics.handler(status)));
  }

  const first = plan;
  const running = opening.move();
  const gateway: Gateway = {
    publicUrl,
    get servers() {
      return plan?.servers ?? [];
    },
    get table() {
      return plan?.router.table ?? [];
    },
    adminPassword: admin.password,
    get rootFile() {
      return tls?.rootFile;
    },
    log,
    consoleUrl: webConsole && new URL('/console', publicUrl).href,
    status,
    store,
    ailment: parts.ailment,
    timeline: clientTimeline.trails,
    get administration() {
      return (plan ?? first).administration;
    },
    async renewCertificates(host) {
      if (tls === undefined)
        throw new Error('tls is not configured here, so certificates are the business of the proxy in front');
      await tls.renew(host);
    },
    async reload(next) {
      const fixed = [
        'publicUrl',
        'stateDir',
        'store',
        'storeKey',
        'peers',
        'entrypoints',
        'trustedProxies',
        'limits',
        'log',
        'metrics',
        'tracing',
      ] as const;
      const changed = fixed.filter((key) => !isDeepStrictEqual(next[key], config[key]));
      if ((next.tls === undefined) !== (tls === undefined)) changed.push('entrypoints');
      if (changed.length > 0) throw new Error(`${changed.join(', ')} cannot change while the gateway runs; restart it`);
      if (next.auth.admins.length > 0 && config.auth.admins.length === 0)
        throw new Error('auth.admins named nobody at the start, so there is no console yet; restart the gateway');
      const former = plan;
      const following = await assemble(next, publicUrl, parts, former);
      try {
        if (next.tls !== undefined) await tls?.use(next.tls, hostsOf(next));
      } catch (error) {
        await following.retire(former);
        throw error;
      }
      plan = following;
      metrics?.use(servicesOf(next));
      await former?.retire(plan);
      webConsole?.renew();
    },
    async [Symbol.asyncDispose]() {
      stopping = true;
      await after(config.limits.requestAcceptGraceTimeout * 1000);
      webConsole?.quiesce();
      for (const service of plan?.services.values() ?? []) service.quiesce();
      await running.disposeAsync();
    },
  };
  if (administer !== undefined) webConsole?.begin({ status, operations: administer(gateway) });
  return gateway;
}

async function peersOf({ peers, storeKey, limits }: GatewayConfig, store: Store, log: Log, handler: Handler) {
  if (peers === undefined || storeKey === undefined) return undefined;
  const { openPeers } = await import('./peers.ts');
  return openPeers({ store, secret: storeKey, address: peers.listen, limits, log, handler });
}

/** Which service each configured router leads to. */
function servicesOf({ routers }: GatewayConfig): ReadonlyMap<string, string> {
  return new Map(routers.map(({ name, service }) => [name, service]));
}

function both<T>(one: (told: T) => void, other: (told: T) => void): (told: T) => void {
  return (told) => {
    one(told);
    other(told);
  };
}

/** What `startGateway` would serve, by a configuration, with nothing started. */
export async function routeTable(config: GatewayConfig, log: Log): Promise<Gateway['table']> {
  const { memoryStore } = await import('./store/memory-store.ts');
  await using store = memoryStore();
  await using reaper = openReaper(log);
  const publicUrl = config.publicUrl ?? new URL(`http://${config.entrypoints.http.listen}`);
  const plan = await assemble(config, publicUrl, {
    store,
    reaper,
    log,
    login: undefined,
    ailment: async () => undefined,
  });
  await plan.retire();
  return plan.router.table;
}

/** Where nobody could log in, one user is made for this run: only on loopback, see `conflictsOf` in config.ts. */
async function adminFor(auth: AuthConfig): Promise<{ password?: string; login?: AuthConfig['login'] }> {
  if (Object.values(auth.login).some((way) => way !== undefined)) return {};
  const password = randomBytes(16).toString('base64url');
  // 128 random bits need no slow hash.
  return {
    password,
    login: { password: { users: { admin: { hash: await hashPassword(password, { ln: 4, r: 8, p: 1 }) } } } },
  };
}
