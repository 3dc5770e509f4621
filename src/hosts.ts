/** The hosts that a configuration is about. */

import { type GatewayConfig, isLoopback } from './config.ts';
import { hostsOfRule } from './router/configured-routes.ts';

/** A person may type any of them. */
const loopbackNames = ['127.0.0.1', 'localhost', '[::1]'];

/** The rule of what is served at the gateway's own URL. */
export function hostRule(publicUrl: URL): string {
  const names = isLoopback(publicUrl.hostname) ? loopbackNames : [publicUrl.hostname];
  const all = [...new Set([publicUrl.hostname, ...names])].map((name) => `Host(\`${name}\`)`);
  return all.length === 1 ? all.join('') : `(${all.join(' || ')})`;
}

/** The hosts that the gateway is reached by, each once; `*.example.com` for those that a router has by a pattern. */
export function hostsOf({ publicUrl, mcpServers, routers }: GatewayConfig): string[] {
  const own = Object.values(mcpServers).flatMap(({ enabled, host }) =>
    enabled && host !== undefined ? [host.toLowerCase()] : [],
  );
  const origin =
    publicUrl === undefined ? [] : [publicUrl.hostname, ...(isLoopback(publicUrl.hostname) ? loopbackNames : [])];
  return [...new Set([...origin, ...own, ...routers.flatMap(({ rule }) => hostsOfRule(rule))])];
}
