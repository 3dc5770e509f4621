/** `/livez` and `/readyz`, for whoever watches the gateway. */

import type { Log } from '../log.ts';
import type { Handler, Reply, Route } from './handler.ts';
import { builtInPriority, router } from './router.ts';

/** Why the gateway should get no requests now. */
type Ailment = () => Promise<string | undefined>;

/** Monitors on this machine ask by plain HTTP. */
export function healthOr(next: Handler, ailment: Ailment, log: Log): Handler {
  const { handler } = router(healthRoutes(ailment), log);
  return (exchange) => (/^\/(?:livez|readyz)$/.test(exchange.path) ? handler(exchange) : next(exchange));
}

export function healthRoutes(ailment: Ailment): Route[] {
  const route = (name: string, service: Handler): Route => ({
    name,
    rule: `Path(\`/${name}\`)`,
    priority: builtInPriority,
    guarded: false,
    target: 'health',
    service,
  });
  return [route('livez', () => health(undefined)), route('readyz', async () => health(await ailment()))];
}

/** What a monitor is told. */
export function health(ailment: string | undefined): Reply {
  if (ailment === undefined) return { status: 200, body: { status: 'ok' } };
  return { status: 503, headers: { 'retry-after': '5' }, body: { status: 'unavailable', reason: ailment } };
}
