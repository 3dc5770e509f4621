/** A service: one name for several servers that do the same. */

import type { Log } from '../log.ts';
import type { Limits } from './config.ts';
import { refusal } from './handler.ts';
import type { ServiceConfig } from './routing-config.ts';
import { type Upstream, upstream } from './upstream.ts';
import { weightedRoundRobin } from './weighted.ts';

export function service(config: ServiceConfig, { log, limits }: { log: Log; limits: Limits }): Upstream {
  const { passHostHeader } = config;
  const servers = config.servers.map(({ url, weight }) => ({
    weight,
    upstream: upstream({ url, headers: {}, as: 'site', passHostHeader }, { log, limits }),
  }));
  const next = weightedRoundRobin<(typeof servers)[number]>();
  return {
    get busy() {
      return servers.reduce((sum, server) => sum + server.upstream.busy, 0);
    },
    service(exchange) {
      const server = next(servers);
      if (server === undefined) throw unavailable();
      return server.upstream.service(exchange);
    },
    quiesce() {
      for (const server of servers) server.upstream.quiesce();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server.upstream[Symbol.asyncDispose]()));
    },
  };
}

/** RFC 9110 §15.6.4. */
function unavailable() {
  return refusal(503, 'temporarily_unavailable', 'no server is available', { headers: { 'retry-after': '5' } });
}
