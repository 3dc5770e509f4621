/** Target 2: the bridge to a stdio server, token check included, beside the bridges that people know. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { bridge, bridgeNames } from './bridges.ts';
import { type Gateway, gateway } from './gateway.ts';
import { directLoad, type McpLoad, type McpLoaded, mcpLoad } from './load.ts';
import { type Contender, inTurn, median } from './pairs.ts';
import type { Running } from './process.ts';
import { compared, type Report, rate, summary } from './report.ts';
import type { Effort } from './run.ts';
import type { Workshop } from './workshop.ts';

const path = '/answering/mcp';
const many = 64;
const megabyte = 1_000_000;

export async function bridgeRows(shop: Workshop, report: Report, effort: Effort): Promise<void> {
  await using open = new AsyncDisposableStack();
  const child = shop.compiled('answering-child');
  const ours = open.use(await gateway(shop, { config: bridging(child) }));
  const token = ours.token(['answering']);
  const targets: { name: string; at: Running & { readonly port: number; readonly path: string }; token: string }[] = [
    { name: 'gateway', at: { ...ours, path }, token },
  ];
  for (const name of bridgeNames) {
    const found = await bridge(name, child);
    if (found === undefined) report.missing.push(`${name}: npm ci --prefix bench has not installed it`);
    else targets.push({ name, at: open.use(found), token: '-' });
  }
  for (const clients of [1, many]) {
    const contenders: Contender<McpLoaded>[] = targets.map(({ name, at, token: with_ }) => ({
      name,
      run: () => mcpLoad(shop, loadOf(at.port, at.path, with_, clients, effort.seconds), at),
    }));
    const runs = await inTurn(contenders, effort.rounds);
    for (const [name, each] of runs) report.measured.push(summary(`tools/call, ${clients} clients`, name, each));
    const own = runs.get('gateway') ?? [];
    if (clients === 1) await added(shop, report, own, child, effort);
    else judge(report, runs);
  }
  await bigResults(shop, report, ours, token, effort);
}

function bridging(command: string) {
  return {
    mcpServers: { answering: { command, maxChildren: 1000 } },
    limits: { mcp: { childrenPerCaller: 1000, sessionsPerCaller: 1000, message: '16mb' } },
  };
}

function loadOf(port: number, at: string, token: string, clients: number, seconds: number, size = 0): McpLoad {
  return { port, path: at, token, clients, seconds, size };
}

function judge(report: Report, runs: ReadonlyMap<string, readonly McpLoaded[]>): void {
  const ours = runs.get('gateway') ?? [];
  for (const [name, atLeast] of [
    ['supergateway', 4],
    ['mcp-proxy', 6],
  ] as const) {
    const other = runs.get(name);
    if (other === undefined) continue;
    const what = `calls at ${many} clients by those of ${name}`;
    report.findings.push(compared('2 bridge', what, [ours, other], rate, { atLeast }));
  }
  const memory = median(ours.map((run) => run.memory)) / 1e6;
  report.findings.push({
    target: '2 bridge',
    what: `RSS at ${many} sessions`,
    measured: memory,
    unit: 'MB',
    wanted: { atMost: 130 },
  });
}

/** What the bridge adds to the child's own time. */
async function added(
  shop: Workshop,
  report: Report,
  ours: readonly McpLoaded[],
  child: string,
  { rounds, seconds }: Effort,
) {
  const direct: McpLoaded[] = [];
  for (let round = 0; round < rounds; round++) direct.push(await directLoad(shop, seconds, [child]));
  const more = (value: (run: McpLoaded) => number) => median(ours.map(value)) - median(direct.map(value));
  const put = (what: string, measured: number, atMost: number) =>
    report.findings.push({ target: '2 bridge', what, measured, unit: 'ms', wanted: { atMost } });
  put(
    'p50 added to a call at 1 client',
    more(({ p50 }) => p50),
    0.15,
  );
  put(
    'added to the start of a session',
    more(({ start }) => start),
    5,
  );
}

/** A large result should cost little more than that somebody has to parse it once. */
async function bigResults(shop: Workshop, report: Report, ours: Gateway, token: string, { rounds, seconds }: Effort) {
  const run = (size: number) => mcpLoad(shop, loadOf(ours.port, path, token, 1, seconds, size), ours);
  await run(megabyte);
  const cpu: number[] = [];
  for (let round = 0; round < rounds; round++) cpu.push((await run(megabyte)).cpu / 100);
  const parse = parseTime(shop);
  const what = 'CPU of a result of 1 MB by that of its one parse';
  report.findings.push({ target: '2 bridge', what, measured: median(cpu) / parse, unit: '×', wanted: { atMost: 1.5 } });
  await mcpLoad(shop, loadOf(ours.port, path, token, 4, seconds, 10 * megabyte), ours);
  const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${ours.pid}/status`, 'utf8'))?.[1]) * 1.024e-3;
  const most = 'peak RSS with results of 10 MB to 4 clients at once';
  report.findings.push({ target: '2 bridge', what: most, measured: peak, unit: 'MB', wanted: { atMost: 400 } });
}

/** Milliseconds to read a line of 1 MB from the child as text and parse it, in a Node that has warmed up. */
function parseTime(shop: Workshop): number {
  const call = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'x', arguments: { size: megabyte } },
  });
  const line = execFileSync(shop.compiled('answering-child'), { input: `${call}\n`, maxBuffer: 4 * megabyte });
  const times: number[] = [];
  for (let run = 0; run < 200; run++) {
    const from = performance.now();
    JSON.parse(line.toString('utf8'));
    times.push(performance.now() - from);
  }
  return median(times.slice(100));
}
