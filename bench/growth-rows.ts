/** Target 4: what grows with the number of routes, of clients and tokens, and of what has expired. In one process, without HTTP. */

import { setTimeout as delay } from 'node:timers/promises';
import { accessTokens } from '../src/oauth/access-token.ts';
import type { Client } from '../src/oauth/clients.ts';
import { grants } from '../src/oauth/grants.ts';
import { signingKeys } from '../src/oauth/keys.ts';
import { routeIndex } from '../src/router/route-index.ts';
import { compileRule } from '../src/router/rule.ts';
import { memoryStore } from '../src/store/memory-store.ts';
import { rememberingReads } from '../src/store/recent-reads.ts';
import type { Store } from '../src/store/store.ts';
import { gateway } from './gateway.ts';
import { httpLoad } from './load.ts';
import { inTurn } from './pairs.ts';
import { answering } from './proxies.ts';
import { type Curve, compared, type Report } from './report.ts';
import type { Effort } from './run.ts';
import type { Workshop } from './workshop.ts';

type Points = [x: number, y: number][];

export async function growthRows(shop: Workshop, report: Report, effort: Effort): Promise<void> {
  const most = effort.rounds > 1 ? 1 : 0.1;
  await routedRequests(shop, report, effort, 10_000 * most);
  report.curves.push(
    routes(10_000 * most),
    await tokens(report, 100_000 * most),
    await expired(report, 1_000_000 * most),
  );
}

/** Two gateways that differ in the number of their routers alone. */
async function routedRequests(
  shop: Workshop,
  report: Report,
  { rounds, seconds }: Effort,
  most: number,
): Promise<void> {
  await using upstream = await answering(shop, 200);
  const routing = (count: number) => ({
    services: { behind: { servers: [{ url: `http://127.0.0.1:${upstream.port}` }] } },
    routers: Array.from({ length: count }, (_, at) => ({
      name: `r${at}`,
      rule: at === 0 ? 'PathPrefix(`/here`)' : `Host(\`h${at}.example\`) && PathPrefix(\`/p${at}\`)`,
      service: 'behind',
      auth: false,
    })),
  });
  await using few = await gateway(shop, { config: routing(10) });
  await using many = await gateway(shop, { config: routing(most) });
  const runs = await inTurn(
    [few, many].map((loaded, at) => ({
      name: at === 0 ? 'few' : 'many',
      run: () =>
        httpLoad(shop, { url: `http://127.0.0.1:${loaded.port}/here`, token: '-', connections: 64, seconds }, loaded),
    })),
    rounds,
  );
  const what = `CPU of a request with ${most} routes by that with ten`;
  const pair = [runs.get('many') ?? [], runs.get('few') ?? []] as const;
  report.findings.push(compared('4 growth', what, pair, ({ cpu }) => cpu, { atMost: 1.1 }));
}

function routes(most: number): Curve {
  const points: Points = [];
  for (let count = 1; count <= most; count *= 10) {
    const table = Array.from({ length: count }, (_, at) => ({
      rule: compileRule(`Host(\`h${at}.example\`) && PathPrefix(\`/p${at}\`)`),
    }));
    const find = routeIndex(table);
    const asked = Array.from({ length: 1000 }, () => Math.floor(Math.random() * count)).map((at) => ({
      host: `h${at}.example`,
      path: `/p${at}/x`,
    }));
    // What rules ask of a request beyond host and path stands in its exchange.
    const look = () => {
      for (const one of asked) if (find(one as Parameters<typeof find>[0]) === undefined) throw new Error('no route');
    };
    points.push([count, timed(look, 300) / asked.length]);
  }
  return { name: 'growth-routes', title: 'Finding the route', x: 'routes', y: 'µs', points };
}

async function tokens(report: Report, most: number): Promise<Curve> {
  await using store = rememberingReads(memoryStore({ limit: 2 ** 30 }), 'grant') as Store;
  const granted = grants(store, () => 3600);
  const keys = signingKeys(store, 'ES256', 3600);
  const issuer = 'https://gateway.example';
  const checks = accessTokens({ issuer, keys, grants: granted });
  const issued: string[] = [];
  const points: Points = [];
  for (let count = 1; count <= most; count *= 10) {
    while (issued.length < count) {
      const batch = Array.from({ length: Math.min(64, count - issued.length) }, (_, at) =>
        issue(issued.length + at, store, granted, checks),
      );
      issued.push(...(await Promise.all(batch)));
    }
    for (const token of issued) await checks.verify(token);
    const asked = Array.from({ length: 1000 }, () => issued[Math.floor(Math.random() * issued.length)] ?? '');
    const check = async () => {
      for (const token of asked) await checks.verify(token);
    };
    points.push([count, (await timedAsync(check, 100)) / asked.length]);
  }
  slope(report, `verify with ${most} clients and live tokens, more than with one`, points);
  return { name: 'growth-tokens', title: 'Verifying a known token', x: 'clients and live tokens', y: 'µs', points };
}

async function issue(
  at: number,
  store: Store,
  granted: ReturnType<typeof grants>,
  checks: ReturnType<typeof accessTokens>,
): Promise<string> {
  const client = { id: `client-${at}`, name: `client ${at}`, redirectUris: ['http://127.0.0.1/callback'] };
  await store.set(`client:${client.id}`, client satisfies Partial<Record<keyof Client, unknown>>);
  const resources = ['https://gateway.example/files/mcp'];
  const identity = { subject: `github:${at}`, username: `user-${at}` };
  const grant = await granted.open({ clientId: client.id, resources, scope: ['mcp'], identity }, 3600);
  return checks.sign(grant, { scope: ['mcp'], resources }, 3600);
}

/** A live key among what has expired and was not yet taken back. */
async function expired(report: Report, most: number): Promise<Curve> {
  const points: Points = [];
  for (let count = 0; count <= most; count = count === 0 ? most / 100 : count * 10) {
    await using store = memoryStore({ limit: 2 ** 30 });
    await store.set('live:1', { a: 1 });
    for (let at = 0; at < count; at++) await store.set(`code:${at}`, at, { ttl: 0.001 + most / 100_000 });
    await delay(most / 100 + 1100);
    const ask = async () => {
      for (let at = 0; at < 1000; at++) await store.get('live:1');
    };
    points.push([Math.max(1, count), (await timedAsync(ask, 100)) / 1000]);
  }
  slope(report, `a read of the store with ${most} expired entries, more than with none`, points);
  return { name: 'growth-expired', title: 'Reading a live record', x: 'expired entries', y: 'µs', points };
}

/** A tenth of what a guarded request costs in all, in microseconds: what the steps measured here may add to it. */
const noSlope = 5;

function slope(report: Report, what: string, points: Points): void {
  const measured = (points.at(-1)?.[1] ?? Number.NaN) - (points[0]?.[1] ?? Number.NaN);
  report.findings.push({ target: '4 growth', what, measured, unit: 'µs', wanted: { atMost: noSlope } });
}

/** Microseconds for one turn, the least of many: what else runs can only add. */
function timed(work: () => void, turns: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < turns; turn++) {
    const from = performance.now();
    work();
    least = Math.min(least, performance.now() - from);
  }
  return least * 1000;
}

async function timedAsync(work: () => Promise<void>, turns: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < turns; turn++) {
    const from = performance.now();
    await work();
    least = Math.min(least, performance.now() - from);
  }
  return least * 1000;
}
