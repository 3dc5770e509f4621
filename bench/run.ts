/**
 * `npm run bench`: the gateway beside what people would use instead, one program after the other, and what each target
 * came to. `-- --quick` takes one short round, `-- --json` prints JSON, `-- --only proxy` measures one part,
 * `-- --plots DIRECTORY` draws what grows.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { plotOf } from './plot.ts';
import { asText, type Report } from './report.ts';
import { type Workshop, workshop } from './workshop.ts';

export interface Effort {
  /** Pairs; the table has their median. */
  readonly rounds: number;
  /** Of each run. */
  readonly seconds: number;
}

type Part = (shop: Workshop, report: Report, effort: Effort) => Promise<void>;

const parts: Readonly<Record<string, () => Promise<Part>>> = {
  proxy: async () => (await import('./proxy-rows.ts')).proxyRows,
  bridge: async () => (await import('./bridge-rows.ts')).bridgeRows,
  footprint: async () => (await import('./footprint-rows.ts')).footprintRows,
  growth: async () => (await import('./growth-rows.ts')).growthRows,
};

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    plots: { type: 'string' },
  },
});

const effort: Effort = values.quick ? { rounds: 1, seconds: 1 } : { rounds: 5, seconds: 3 };
const report: Report = { findings: [], measured: [], curves: [], missing: [] };
const wanted = values.only ?? Object.keys(parts);
const unknown = wanted.find((name) => parts[name] === undefined);
if (unknown !== undefined) {
  process.stderr.write(`there is no part ${unknown}; there is ${Object.keys(parts).join(', ')}\n`);
  process.exit(2);
}
if (wanted.includes('bridge') && !existsSync(join(import.meta.dirname, 'node_modules'))) installRivals();

{
  using shop = workshop();
  for (const name of wanted) {
    process.stderr.write(`${name} …\n`);
    try {
      await (await parts[name]?.())?.(shop, report, effort);
    } catch (error) {
      report.missing.push(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
}
if (values.plots !== undefined) {
  for (const curve of report.curves) writeFileSync(join(values.plots, `${curve.name}.svg`), plotOf(curve));
}
process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : asText(report));

/** Kept out of the gateway's own dependencies. */
function installRivals(): void {
  process.stderr.write('installing supergateway and mcp-proxy …\n');
  try {
    const words = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', import.meta.dirname];
    execFileSync('npm', words, { stdio: 'ignore' });
  } catch {
    report.missing.push('supergateway, mcp-proxy: npm ci --prefix bench failed');
  }
}
