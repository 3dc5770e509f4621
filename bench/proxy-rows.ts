/** Target 1: the guarded HTTP proxy beside the proxies that people know. */

import { type Gateway, gateway } from './gateway.ts';
import { httpLoad, type Loaded } from './load.ts';
import { type Contender, inTurn } from './pairs.ts';
import type { Running } from './process.ts';
import { answering, proxy, proxyKinds, type StandingProxy } from './proxies.ts';
import { compared, type Report, rate, summary } from './report.ts';
import type { Effort } from './run.ts';
import type { Workshop } from './workshop.ts';

const connections = 64;

export async function proxyRows(shop: Workshop, report: Report, { rounds, seconds }: Effort): Promise<void> {
  await using upstream = await answering(shop, 200);
  await using verifier = await answering(shop, 204);
  const behind = { upstream: upstream.port, verifier: verifier.port };
  for (const secure of [false, true]) {
    await using open = new AsyncDisposableStack();
    const ours = open.use(await gateway(shop, { config: routing(upstream.port), secure }));
    const others = new Map<string, StandingProxy>();
    for (const name of Object.keys(proxyKinds) as (keyof typeof proxyKinds)[]) {
      const found = await proxy(shop, name, behind, secure);
      if (found === undefined) report.missing.push(`${name}: not installed`);
      else others.set(name, open.use(found));
    }
    const load = secure ? 'POST over TLS' : 'POST';
    const runs = await inTurn(contenders(shop, ours, others, secure, seconds), rounds);
    for (const [name, each] of runs) report.measured.push(summary(load, name, each));
    judge(report, runs, secure ? ' (TLS)' : '');
  }
}

function routing(port: number) {
  return {
    services: { behind: { servers: [{ url: `http://127.0.0.1:${port}` }] } },
    routers: [
      { name: 'open', rule: 'PathPrefix(`/open`)', service: 'behind', auth: false },
      { name: 'guarded', rule: 'PathPrefix(`/guarded`)', service: 'behind' },
    ],
  };
}

function contenders(
  shop: Workshop,
  ours: Gateway,
  others: ReadonlyMap<string, StandingProxy>,
  secure: boolean,
  seconds: number,
): Contender<Loaded>[] {
  const token = ours.token(['guarded']);
  const scheme = secure ? 'https' : 'http';
  const run = (name: string, port: number, path: string, loaded: Running): Contender<Loaded> => ({
    name,
    run: () => httpLoad(shop, { url: `${scheme}://127.0.0.1:${port}${path}`, token, connections, seconds }, loaded),
  });
  return [
    run('gateway, guarded', ours.port, '/guarded', ours),
    run('gateway, open', ours.port, '/open', ours),
    ...[...others].map(([name, other]) => run(name, other.port, '/', other)),
  ];
}

function judge(report: Report, runs: ReadonlyMap<string, readonly Loaded[]>, how: string): void {
  const guarded = runs.get('gateway, guarded') ?? [];
  const against = (
    name: string,
    what: string,
    value: (run: Loaded) => number,
    wanted: Parameters<typeof compared>[4],
  ): void => {
    const other = runs.get(name);
    if (other !== undefined)
      report.findings.push(compared('1 proxy', `${what}${how}`, [guarded, other], value, wanted));
  };
  against('caddy forward_auth', 'guarded, requests by those of Caddy with forward_auth', rate, { atLeast: 2.5 });
  against('caddy', 'guarded, requests by those of Caddy without auth', rate, { atLeast: 1.3 });
  against('nginx auth_request', 'guarded, requests by those of nginx with auth_request', rate, { atLeast: 0.75 });
  against('caddy', 'guarded, p99 by that of Caddy', ({ p99 }) => p99, { atMost: 1 });
  against('gateway, open', 'CPU of the guarded route by that of the open one', ({ cpu }) => cpu, { atMost: 1.05 });
}
