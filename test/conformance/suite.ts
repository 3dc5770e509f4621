/** The official conformance suite as a function: an endpoint in, the outcome of each scenario out. */

import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** `0.1.16` is the suite's older line, whose scenarios speak the legacy eras. */
export const revisions = ['0.1.16', '2025-11-25', '2026-07-28'] as const;
export type Revision = (typeof revisions)[number];

export interface Outcome {
  /** Check ids with their status, sorted: what two runs are compared by. */
  readonly checks: readonly string[];
  readonly passed: number;
  readonly failed: number;
  /** False for extensions and scenarios that are newer than the revision: they are run and reported, not required. */
  readonly scored: boolean;
}

export type Outcomes = ReadonlyMap<string, Outcome>;

interface Check {
  readonly id: string;
  readonly status: string;
}

const require = createRequire(import.meta.url);
const preload = fileURLToPath(new URL('bearer.ts', import.meta.url));

/** Runs one revision's scenarios against `url`, keeping the suite's own files in `directory`. */
export async function suite(revision: Revision, url: string, directory: string, token?: string): Promise<Outcomes> {
  const older = revision === '0.1.16';
  const program = require.resolve(`${older ? 'conformance-016' : '@modelcontextprotocol/conformance'}/dist/index.js`);
  const scenarios = older ? ['--suite', 'all'] : ['--requirements', revision];
  const child = spawn(
    process.execPath,
    ['--import', preload, program, 'server', '--url', url, ...scenarios, '-o', directory],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...(token && { CONFORMANCE_TOKEN: token, CONFORMANCE_ORIGIN: new URL(url).origin }) },
    },
  );
  const report = await text(child.stdout);
  const unscored = new Set(
    [...(report.split('\nNot scored')[1] ?? '').matchAll(/^ +\S ([\w-]+) \(/gm)].map(([, name]) => name),
  );
  const outcomes = new Map<string, Outcome>();
  for (const folder of await readdir(directory)) {
    const scenario = /^server-(.+?)-\d{4}-\d\d-\d\dT/.exec(folder)?.[1];
    if (scenario === undefined) continue;
    const checks: Check[] = JSON.parse(await readFile(join(directory, folder, 'checks.json'), 'utf8'));
    const verdicts = checks.filter(({ status }) => status !== 'INFO');
    outcomes.set(scenario, {
      checks: verdicts.map(({ id, status }) => `${id} ${status}`).sort(),
      passed: verdicts.filter(({ status }) => status === 'SUCCESS').length,
      failed: verdicts.filter(({ status }) => status === 'FAILURE').length,
      scored: !unscored.has(scenario),
    });
  }
  if (outcomes.size === 0) throw new Error(`the suite for ${revision} ran nothing at ${url}:\n${report}`);
  return outcomes;
}
