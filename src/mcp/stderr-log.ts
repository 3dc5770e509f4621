/** A child's stderr: always drained, logged at a bounded rate, its last lines kept for the report of a failure. */

import type { Readable } from 'node:stream';
import type { Log } from '../log.ts';
import { lines } from './lines.ts';

const longest = 2000;
const perSecond = 50;
const remembered = 20;

/** The answer lists the last lines, oldest first. */
export function drainStderr(stderr: Readable, log: Log): () => readonly string[] {
  const last: string[] = [];
  let second = 0;
  let logged = 0;
  let suppressed = 0;

  const take = (text: string) => {
    last.push(text.slice(0, 300));
    if (last.length > remembered) last.shift();
    const now = Math.floor(Date.now() / 1000);
    if (now !== second) {
      if (suppressed > 0) log.warn('stderr lines not logged', { count: suppressed });
      second = now;
      logged = 0;
      suppressed = 0;
    }
    if (logged++ < perSecond) log.info('stderr', { line: text });
    else suppressed++;
  };
  const framer = lines(longest, {
    line: (line) => take(line.toString('utf8')),
    overflow: ({ head, size }) => take(`${head.toString('utf8')}… (${size} bytes)`),
  });
  stderr.on('data', (chunk: Buffer) => framer.push(chunk));
  stderr.on('end', () => framer.end());
  stderr.on('error', () => {});
  return () => last;
}
