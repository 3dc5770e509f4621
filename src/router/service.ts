/** A service: one name for several servers that do the same. */

import type { Log } from '../log.ts';
import type { Limits } from './config.ts';
import { type Handler, refusal } from './handler.ts';
import { failures, isFailure, watched } from './health.ts';
import type { ServiceConfig } from './routing-config.ts';
import { serverId, sticky } from './sticky.ts';
import { type Upstream, upstream } from './upstream.ts';
import { fewerInFlight, weightedRoundRobin } from './weighted.ts';

export interface ServiceDeps {
  readonly log: Log;
  readonly limits: Limits;
}

export interface ServerHealth {
  readonly url: string;
  /** Whether requests go there at the moment. */
  readonly up: boolean;
}

export interface RoutedService extends Upstream {
  health(): readonly ServerHealth[];
}

export function service(name: string, config: ServiceConfig, { log, limits }: ServiceDeps): RoutedService {
  const { passHostHeader, healthCheck, passiveHealthCheck, serversTransport: transport } = config;
  const tls = {
    ...(transport.rootCAs.length > 0 && { ca: transport.rootCAs.join('\n') }),
    ...(transport.serverName !== undefined && { servername: transport.serverName }),
    http2: !transport.disableHTTP2,
  };
  const servers = config.servers.map(({ url, weight }) => {
    const to = upstream({ url, headers: {}, as: 'site', passHostHeader, tls }, { log, limits });
    return {
      url: shown(url),
      weight,
      id: serverId(url),
      upstream: to,
      watch: healthCheck && watched(`${name} ${url}`, to.probe, healthCheck, log),
      failed: passiveHealthCheck && failures(passiveHealthCheck),
      get busy() {
        return to.busy;
      },
    };
  });
  type Server = (typeof servers)[number];
  const next = config.strategy === 'p2c' ? fewerInFlight<Server>() : weightedRoundRobin<Server>();
  const keep = config.sticky && sticky<Server>(config.sticky, name);

  const available = (): readonly Server[] => {
    const up = servers.filter(({ watch }) => watch?.up !== false);
    const well = up.filter(({ failed }) => failed?.many !== true);
    // Where every one has failed lately, all are tried: with one server alone it is never left out.
    return well.length > 0 ? well : up;
  };

  const balanced: Handler = async (exchange) => {
    const among = available();
    const server = keep?.bound(exchange, among) ?? next(among);
    if (server === undefined) throw unavailable();
    keep?.bind(exchange, server);
    try {
      return await server.upstream.service(exchange);
    } catch (error) {
      if (isFailure(error)) server.failed?.note();
      throw error;
    }
  };

  const [first] = servers;
  // With nothing to choose from and nothing to learn there is no stage of our own.
  const sole = servers.length === 1 && !healthCheck && !passiveHealthCheck && !config.sticky ? first : undefined;

  return {
    get busy() {
      return servers.reduce((sum, server) => sum + server.busy, 0);
    },
    probe: async (path, timeout) => {
      return first === undefined ? Promise.reject(unavailable()) : first.upstream.probe(path, timeout);
    },
    service: sole !== undefined && sole.weight > 0 ? sole.upstream.service : balanced,
    health: () => servers.map(({ url, watch, failed }) => ({ url, up: watch?.up !== false && failed?.many !== true })),
    quiesce() {
      for (const server of servers) server.upstream.quiesce();
    },
    async [Symbol.asyncDispose]() {
      for (const { watch } of servers) watch?.[Symbol.dispose]();
      await Promise.all(servers.map((server) => server.upstream[Symbol.asyncDispose]()));
    },
  };
}

/** RFC 9110 §15.6.4. */
function unavailable() {
  return refusal(503, 'temporarily_unavailable', 'no server is available', { headers: { 'retry-after': '5' } });
}

/** Without what opens it. */
function shown(url: string): string {
  if (url.startsWith('unix:')) return url;
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname.replace(/\/$/, '')}`;
}
