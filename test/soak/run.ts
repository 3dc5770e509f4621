/**
 * `npm run soak`: clients that vanish and servers that fall, for half an hour. Fails with the first thing that is left.
 *
 *     --minutes N   how long [30]
 *     --rounds N    so often everybody goes and what is left is counted [10]
 *     --seed N      of a run that is to be had again
 *     --executable FILE   what to soak instead of the sources, such as dist/mcp-gateway
 */

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { soak } from './soak.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    rounds: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1e6) },
    executable: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const seed = Number(values.seed);
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
const say = (text: string) => process.stdout.write(`${text}\n`);

say(`seed ${seed}`);
const { statuses } = await soak({
  rounds,
  seconds: (Number(values.minutes) * 60) / rounds,
  seed,
  ...(values.executable !== undefined && { executable: resolve(values.executable) }),
  report({ number, answers, verified, processes, heap, rss, descriptors, resources }) {
    const handles = Object.entries(resources).map(([kind, count]) => `${count} ${kind}`);
    say(`round ${number}: ${answers} answers, ${verified} compared, ${processes} processes so far; left:`);
    say(`    heap ${megabytes(heap)}, rss ${megabytes(rss)}, ${descriptors} descriptors, ${handles.join(', ')}`);
  },
});
say(
  [...statuses]
    .toSorted(([a], [b]) => a - b)
    .map(([status, count]) => `${status}: ${count}`)
    .join('  '),
);
