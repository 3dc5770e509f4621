// Loaded into the gateway, also into the executable, which takes no modules that way: at SIGUSR2 it tells what the process
// holds, as one line on stderr. It collects garbage as V8 itself does when a process has been idle for ten seconds, which
// also gives the pages back that a busy heap keeps.

const { readdirSync } = require('node:fs');
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');

let collect;

process.on('SIGUSR2', () => {
  // Not before: V8 takes no code from the executable's cache that was made with other flags.
  setFlagsFromString('--expose-gc');
  collect ??= runInNewContext('gc');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  const { heapUsed, external, rss } = process.memoryUsage();
  const resources = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const descriptors = readdirSync('/proc/self/fd').length;
  process.stderr.write(`probe ${JSON.stringify({ heap: heapUsed + external, rss, descriptors, resources })}\n`);
});
