/**
 * `npm run matrix`: real servers called by real clients through the gateway, as a table. Installs one server by pip and one
 * by `go install` into a directory that is gone afterwards; fails where an answer is not the right one.
 *
 *     --keep DIR   installs there and keeps it
 */

import { parseArgs } from 'node:util';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { programs, sdkClients } from './clients.ts';
import { matrix } from './matrix.ts';
import { installed, npmServers } from './servers.ts';

const say = (text: string) => process.stdout.write(`${text}\n`);
const { values } = parseArgs({ options: { keep: { type: 'string' } } });
await using scratch = await temporaryDirectory();
const directory = values.keep ?? scratch.path;

const servers = [...npmServers(directory)];
for (const [name, install] of Object.entries(installed)) {
  try {
    servers.push(await install(directory));
  } catch (error) {
    say(`left out, because it could not be installed: ${name}: ${String((error as Error).message).trim()}`);
  }
}
const clients = { ...sdkClients, ...programs };
const table = await matrix(servers, clients);
const cells = (row: readonly string[]) => `| ${row.join(' | ')} |`;
const names = Object.keys(clients);
say(cells(['', ...names]));
say(cells(['---', ...names.map(() => '---')]));
const faults: string[] = [];
for (const [server, row] of table) {
  say(cells([server, ...names.map((client) => (row.get(client) === undefined ? 'yes' : 'NO'))]));
  for (const [client, fault] of row) if (fault !== undefined) faults.push(`${server} by ${client}: ${fault}`);
}
for (const fault of faults) say(fault);
if (faults.length > 0) process.exitCode = 1;
