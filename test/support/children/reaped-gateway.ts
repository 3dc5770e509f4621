// A gateway with two children and their grandchildren, waiting to be killed. Prints their process ids.

import { fileURLToPath } from 'node:url';
import { silent } from '../../../src/log.ts';
import { startChild } from '../../../src/mcp/child.ts';
import type { Response } from '../../../src/mcp/message.ts';
import { write } from '../../../src/mcp/message.ts';
import { openReaper } from '../../../src/mcp/reaper.ts';

const script = fileURLToPath(new URL('server.mjs', import.meta.url));
const options = { log: silent, reaper: openReaper(silent), message: 1e6, grace: 2, silence: 10 };
const command = { command: process.execPath, args: [script, '--deaf', '--stay'], env: {} };

async function family(): Promise<number[]> {
  const child = await startChild(command, options);
  const { promise, resolve } = Promise.withResolvers<Response>();
  child.listen({ message: (message) => message.kind === 'response' && resolve(message), ended: () => {} });
  child.send(write({ id: 1, method: 'tools/call', params: { name: 'fork', arguments: { deaf: true } } }).bytes);
  const { result } = await promise;
  return [Number(child.pid), Number((result as { content: { text: string }[] }).content[0]?.text)];
}

async function main(): Promise<void> {
  const pids = await Promise.all([family(), family()]);
  process.stdout.write(`${JSON.stringify(pids.flat())}\n`);
}

void main();
