/** Target 3: what the single executable takes: size, start, memory at rest, with many streams and with many sessions. */

import { statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../test/support/free-port.ts';
import { built, type Gateway, gateway } from './gateway.ts';
import { held } from './load.ts';
import { median } from './pairs.ts';
import type { Finding, Report } from './report.ts';
import type { Effort } from './run.ts';
import type { Workshop } from './workshop.ts';

const streams = 10_000;
const sessions = 1000;
const starts = 10;
/** Milliseconds until what was needed for the start alone is given back. */
const rest = 3000;

export async function footprintRows(shop: Workshop, report: Report, { rounds }: Effort): Promise<void> {
  const put = (what: string, measured: number, unit: string, atMost: number): void => {
    const finding: Finding = { target: '3 footprint', what: `executable: ${what}`, measured, unit, wanted: { atMost } };
    report.findings.push(finding);
  };
  put('size', statSync(built()).size / 1e6, 'MB', 130);
  put('from the call until it serves', await startTime(shop), 'ms', 80);
  {
    await using idle = await gateway(shop, { config: await everything(shop), secure: true });
    await delay(rest);
    put('RSS at rest with everything configured', idle.memory() / 1e6, 'MB', 90);
  }
  const config = sharing(shop.compiled('answering-child'));
  if (rounds > 1)
    put(`RSS with ${streams} idle event streams`, await holding(shop, config, streams, 'streams'), 'MB', 300);
  put(`RSS with ${sessions} sessions of a shared child`, await holding(shop, config, sessions, 'idle'), 'MB', 150);
}

async function startTime(shop: Workshop): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run <= starts; run++) {
    await using started = await gateway(shop, { config: sharing(shop.compiled('answering-child')) });
    if (run > 0) times.push(started.readyAfter);
  }
  return median(times);
}

async function holding(shop: Workshop, config: object, count: number, how: 'streams' | 'idle'): Promise<number> {
  await using ours: Gateway = await gateway(shop, { config: { ...config } });
  const at = {
    port: ours.port,
    path: '/answering/mcp',
    token: ours.token(['answering']),
    clients: 0,
    seconds: 0,
    size: 0,
  };
  await using _open = await held(shop, at, count, how);
  await delay(rest);
  return ours.memory() / 1e6;
}

function sharing(command: string) {
  const most = 2 * streams;
  return {
    mcpServers: { answering: { command, isolation: 'shared', maxSessions: most } },
    limits: { connections: most, mcp: { sessionsPerCaller: most } },
  };
}

/** Of each kind of thing one, so that every room is loaded. */
async function everything(shop: Workshop) {
  const behind = { servers: [{ url: 'http://127.0.0.1:9' }] };
  return {
    store: 'file:',
    mcpServers: {
      answering: { command: shop.compiled('answering-child') },
      remote: { url: 'http://127.0.0.1:9/mcp' },
    },
    services: { behind: { ...behind, sticky: { cookie: {} }, healthCheck: { path: '/', interval: '1h' } } },
    middlewares: {
      headers: { headers: { stsSeconds: 31536000 } },
      slow: { rateLimit: { average: 100 } },
      small: { compress: {} },
    },
    routers: [
      { name: 'behind', rule: 'PathPrefix(`/behind`)', service: 'behind', middlewares: ['headers', 'slow', 'small'] },
    ],
    metrics: { listen: `127.0.0.1:${await freePort()}` },
  };
}
