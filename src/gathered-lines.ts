/** Lines that leave together: one write for all of a turn of the event loop, since each is a system call that others wait for. */

import type { Writable } from 'node:stream';

export interface GatheredLines extends Disposable {
  write(line: string): void;
}

/** What is still held when the process exits, or when this is disposed, is written then. */
export function gatheredLines(output: Writable): GatheredLines {
  let held = '';
  const flush = () => {
    const lines = held;
    held = '';
    if (lines !== '') output.write(lines);
  };
  process.once('exit', flush);
  return {
    write(line) {
      if (held === '') setImmediate(flush);
      held += line;
    },
    [Symbol.dispose]() {
      process.off('exit', flush);
      flush();
    },
  };
}
