/** The single executable, with nothing beside it: built here, then led through the main flows. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { before, test } from 'node:test';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const root = join(import.meta.dirname, '../..');
const executable = join(root, 'dist/mcp-gateway');
const flows = join(root, 'test/support/children/executable-flows.ts');
async function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  assert.equal(code, 0, `${command} ${args.join(' ')}: ${err}${out}`);
  return out;
}

const build = () => run(join(root, 'scripts/build-sea.sh'), ['--no-measure']);

before(build);

test('the same sources give the same bytes', async () => {
  const digest = () => createHash('sha256').update(readFileSync(executable)).digest('hex');
  const first = digest();
  assert.match(await build(), new RegExp(first));
  assert.equal(digest(), first);
});

test('init, serve, check, login, tools/list and the verbs pass with an empty environment', async () => {
  await using directory = await temporaryDirectory();
  await run(process.execPath, [flows, directory.path, directory.path, executable]);
});
