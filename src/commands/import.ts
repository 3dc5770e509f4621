/** `import`: a client's own list of servers, as our configuration. */

import { existsSync } from 'node:fs';
import { readConfigFile } from '../config-file.ts';
import { readClientFile } from './client-file.ts';
import { textOf } from './named-file.ts';
import { writeConfig } from './new-config.ts';

export interface ImportOptions {
  readonly config?: string;
  readonly force?: true;
  readonly json?: true;
}

/** To standard output, or into the file of -c, whose other keys stay as they are. */
export async function importFile(file: string, options: ImportOptions): Promise<void> {
  const imported = read(file);
  const { mcpServers, secrets, notes } = imported;
  if (options.config !== undefined) into(options.config, mcpServers, options.force ?? false);
  if (options.json) {
    process.stdout.write(`${JSON.stringify(imported, null, 2)}\n`);
    return;
  }
  if (options.config === undefined) process.stdout.write(`${JSON.stringify({ mcpServers }, null, 2)}\n`);
  else process.stdout.write(`Added to ${options.config}: ${Object.keys(mcpServers).join(', ')}\n`);
  for (const note of notes) process.stderr.write(`note: ${note}\n`);
  if (secrets.length === 0) return;
  process.stderr.write('These values look secret and were left where they are; set them where the gateway runs:\n');
  for (const { variable, from } of secrets) process.stderr.write(`  export ${variable}=…   (${from})\n`);
}

function read(file: string): ReturnType<typeof readClientFile> {
  const text = textOf(file);
  try {
    return readClientFile(text);
  } catch (cause) {
    throw new Error(`${file} cannot be imported: ${(cause as Error).message}`, { cause });
  }
}

function into(file: string, added: Readonly<Record<string, unknown>>, force: boolean): void {
  const present = existsSync(file) ? readConfigFile(file) : {};
  const servers = (present.mcpServers ?? {}) as Record<string, unknown>;
  const taken = Object.keys(added).filter((name) => Object.hasOwn(servers, name));
  if (taken.length > 0 && !force)
    throw new Error(`${file} has ${taken.join(', ')} already; replace with --force. Nothing was changed`);
  writeConfig(file, { ...present, mcpServers: { ...servers, ...added } }, true);
}
