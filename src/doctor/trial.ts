/** A configuration for a trial beside the gateway that runs: it takes no address, no state and no attention of that one. */

import type { GatewayConfig } from '../config.ts';

export function trialOf(config: GatewayConfig, socketPath: string): GatewayConfig {
  const { tls: _, peers: __, tracing: ___, ...rest } = config;
  return {
    ...rest,
    publicUrl: config.publicUrl ?? new URL('http://127.0.0.1'),
    store: 'memory:',
    stateDir: undefined,
    entrypoints: { http: { listen: `unix:${socketPath}` } },
    metrics: {},
  };
}
