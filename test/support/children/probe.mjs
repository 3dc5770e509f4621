// Loaded into the gateway: at SIGUSR2 it collects garbage and tells what the process holds, as one line on stderr.

import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

process.on('SIGUSR2', () => {
  collect();
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  const resources = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const descriptors = readdirSync('/proc/self/fd').length;
  process.stderr.write(`probe ${JSON.stringify({ heap: heapUsed + external, rss, descriptors, resources })}\n`);
});
