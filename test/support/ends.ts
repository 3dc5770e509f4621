/** Loaded before each test file: one that is over while something of it is still open fails, and says what, instead of never ending. */

import { after } from 'node:test';

/** For the file's own hooks, and what ends by itself. In milliseconds. */
const grace = 30_000;

// The runner, which loads this too, has no tests of its own.
if (process.env.NODE_TEST_CONTEXT !== undefined) {
  after(() => {
    setTimeout(() => {
      process.stderr.write(`still open after the last test: ${process.getActiveResourcesInfo().join(', ')}\n`);
      process.exit(1);
    }, grace).unref();
  });
}
