/**
 * `npm run conformance`: the official suite against a fixture directly and through the gateway, scenario by scenario.
 * Fails where a scored scenario that passes directly does not pass through us, unless docs/eras.md explains it.
 *
 *     --revision 0.1.16|2025-11-25|2026-07-28   only this one; may be repeated
 *     --via stdio|http                          only servers of this kind
 *     --isolation session|caller|shared         only this isolation
 *     --era same|cross                          only clients and servers of one era, or only the others
 *     --quick                                   the pairs that differ most; for CI
 *     --keep DIR                                keeps the suite's own files
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { browser } from '../support/browser.ts';
import { modernClient } from '../support/modern-client.ts';
import { authorizationUrl, pkce, redeem, register } from '../support/oauth-client.ts';
import { type Program, startProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { explained } from './explained.ts';
import { type Outcomes, type Revision, revisions, suite } from './suite.ts';

interface Pair {
  readonly revision: Revision;
  readonly eras: 'legacy' | 'modern' | 'dual';
  readonly via: 'stdio' | 'http';
  readonly isolation: 'session' | 'caller' | 'shared';
  /** One that CI runs. */
  readonly quick: boolean;
}

const fixture = fileURLToPath(new URL('../support/fixture/fixture.ts', import.meta.url));
const say = (text: string) => process.stdout.write(`${text}\n`);
const nameOf = ({ eras, via, isolation }: Pair) => [eras, via, ...(via === 'stdio' ? [isolation] : [])].join('-');
const cross = ({ revision, eras }: Pair) => eras === (revision === '2026-07-28' ? 'legacy' : 'modern');

function pairs(): Pair[] {
  const all: Pair[] = [];
  for (const revision of revisions) {
    for (const eras of ['legacy', 'modern', 'dual'] as const) {
      all.push({ revision, eras, via: 'http', isolation: 'session', quick: eras === 'dual' && revision !== '0.1.16' });
      for (const isolation of ['session', 'caller', 'shared'] as const) {
        const native = revision === '2026-07-28' ? 'modern' : 'legacy';
        const quick = revision !== '0.1.16' && (eras === native ? isolation !== 'caller' : isolation === 'caller');
        all.push({ revision, eras, via: 'stdio', isolation, quick: quick && eras !== 'dual' });
      }
    }
  }
  return all;
}

/** At most two runs at once: the suite itself is one process, and the machine of CI has two cores. */
async function everyPair<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await run(item);
  };
  await Promise.all([worker(), worker()]);
}

async function startHttpFixture(eras: string): Promise<{ url: string; process: ChildProcess }> {
  const child = spawn(process.execPath, [fixture, 'http', eras], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  return { url: `http://127.0.0.1:${port.toString().trim()}/mcp`, process: child };
}

/** By the way every client takes: registered, logged in on the real pages, a code redeemed. */
async function tokenFor(gateway: Program, resource: string): Promise<string> {
  const { client_id: clientId } = await register(gateway.url, { client_name: `Conformance of ${resource}` });
  const { verifier, challenge } = pkce();
  const person = { username: 'admin', password: gateway.password };
  const back = await browser().authorize(authorizationUrl(gateway.url, clientId, challenge, { resource }), person);
  const { body } = await redeem(gateway.url, clientId, { code: back.searchParams.get('code') ?? '', verifier });
  return body.access_token;
}

/**
 * One scenario gives the first event of a call 0.6 s, and is the first whose client can be asked something: a legacy server
 * has another process for it, which a busy machine does not start in that time.
 */
async function warm(url: string, token: string): Promise<void> {
  const client = modernClient(url, { authorization: `Bearer ${token}` });
  await client.request({ method: 'server/discover', capabilities: { elicitation: {} } });
}

/** Scenario by scenario: what went wrong, in one word each. */
function compare(
  pair: Pair,
  direct: Outcomes,
  through: Outcomes,
): { scenario: string; verdict: string; bad: boolean }[] {
  return [...direct].map(([scenario, wanted]) => {
    const got = through.get(scenario);
    const same = got !== undefined && wanted.checks.join() === got.checks.join();
    const worse = wanted.failed === 0 && (got === undefined || got.failed > 0);
    const reason = cross(pair) ? explained[pair.eras]?.[scenario] : undefined;
    const counts = got ? `${got.passed}/${got.passed + got.failed}` : 'not run';
    const bad = worse && wanted.scored && reason === undefined;
    const note = bad ? 'WORSE' : worse ? (reason ? 'explained' : 'unscored') : 'other';
    return { scenario, verdict: same ? '=' : `${counts} ${note}`, bad };
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      revision: { type: 'string', multiple: true },
      via: { type: 'string' },
      isolation: { type: 'string' },
      era: { type: 'string' },
      quick: { type: 'boolean', default: false },
      keep: { type: 'string' },
    },
  });
  const chosen = pairs().filter(
    (pair) =>
      (!values.quick || pair.quick) &&
      (!values.revision || values.revision.includes(pair.revision)) &&
      (!values.via || values.via === pair.via) &&
      (!values.isolation || values.isolation === pair.isolation) &&
      (!values.era || (values.era === 'cross') === cross(pair)),
  );
  await using scratch = await temporaryDirectory();
  const output = values.keep ?? scratch.path;
  const fixtures = new Map<string, { url: string; process: ChildProcess }>();
  try {
    for (const eras of ['legacy', 'modern', 'dual']) fixtures.set(eras, await startHttpFixture(eras));
    const direct = new Map<Revision, Outcomes>();
    const wanted = revisions.filter((revision) => chosen.some((pair) => pair.revision === revision));
    const dual = fixtures.get('dual')?.url ?? '';
    await everyPair(wanted, async (revision) => {
      direct.set(revision, await suite(revision, dual, join(output, 'direct', revision)));
    });

    const mcpServers = Object.fromEntries(
      chosen.map((pair) => [
        nameOf(pair),
        pair.via === 'http'
          ? { url: fixtures.get(pair.eras)?.url }
          : {
              command: process.execPath,
              args: [fixture, 'stdio', pair.eras],
              isolation: pair.isolation,
              spare: cross(pair),
            },
      ]),
    );
    const limits = { mcp: { childrenPerCaller: 1000, sessionsPerCaller: 1000 } };
    await using gateway = await startProgram({ config: { mcpServers, limits } });
    let failures = 0;
    await everyPair(chosen, async (pair) => {
      const { revision } = pair;
      const started = performance.now();
      const name = nameOf(pair);
      const url = `${gateway.url}/${name}/mcp`;
      const token = await tokenFor(gateway, url);
      if (revision === '2026-07-28' && pair.eras === 'legacy') await warm(url, token);
      const through = await suite(revision, url, join(output, name, revision), token);
      const rows = compare(pair, direct.get(revision) ?? new Map(), through);
      const different = rows.filter(({ verdict }) => verdict !== '=');
      const bad = rows.filter((row) => row.bad);
      failures += bad.length;
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      const equal = `${rows.length - different.length}/${rows.length} equal`;
      say(`${bad.length > 0 ? '✗' : '✓'} ${revision.padEnd(10)} ${name.padEnd(22)} ${equal.padEnd(12)} ${seconds} s`);
      for (const { scenario, verdict } of different) say(`    ${scenario.padEnd(46)} ${verdict}`);
    });
    if (failures > 0) {
      say(`${failures} scored scenarios pass directly and not through the gateway.`);
      process.exitCode = 1;
    }
  } finally {
    for (const { process } of fixtures.values()) process.kill();
  }
}

await main();
