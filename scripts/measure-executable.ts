/** Prints what an executable costs, as a row of docs/install.md: its size, its start and its memory at rest. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const rounds = 10;
/** Milliseconds until what was needed for the start alone is given back. */
const rest = 3000;

const executable = resolve(process.argv[2] ?? 'dist/mcp-gateway');
const empty = mkdtempSync(join(tmpdir(), 'measure-'));
const starts: number[] = [];
let memory = '';
try {
  for (let round = 1; round <= rounds; round++) {
    const from = performance.now();
    const words = ['serve', '--listen', '127.0.0.1:0', '--', 'cat'];
    const gateway = spawn(executable, words, { cwd: empty, stdio: ['ignore', 'pipe', 'ignore'], env: {} });
    const ended = once(gateway, 'close');
    try {
      await Promise.race([
        once(gateway.stdout, 'data'),
        ended.then(([code]) => Promise.reject(new Error(`exit ${code}`))),
      ]);
      starts.push(performance.now() - from);
      if (round === rounds) {
        await wait(rest);
        memory = readFileSync(`/proc/${gateway.pid}/status`, 'utf8');
      }
    } finally {
      gateway.kill();
      await ended;
    }
  }
} finally {
  rmSync(empty, { recursive: true });
}

const megabytes = (kilobytes: number) => `${(kilobytes / 1000).toFixed(1)} MB`;
const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(memory)?.[1]) * 1.024;
const [fastest = 0, ...slower] = starts.sort((a, b) => a - b);
const median = slower[Math.floor(slower.length / 2)] ?? fastest;
const size = megabytes(statSync(executable).size / 1000);
process.stdout.write(
  `size        ${size}
start       ${median.toFixed(0)} ms from the call until it serves, median of ${rounds}; ${fastest.toFixed(0)} ms at best
idle memory ${megabytes(field('RssAnon'))} of its own, ${megabytes(field('VmRSS'))} with the file's pages
`,
);
