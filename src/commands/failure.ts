/** What a verb that did not succeed says, and its exit code. */

import { CommanderError, InvalidArgumentError } from 'commander';

/** One sentence like that of any other failure, and where to read on. */
export function wrongUsage(path: string) {
  return (text: string, write: (text: string) => void) => {
    const what = text
      .replace(/^error: /, '')
      .replace(/\n\(Did you mean (.*)\?\)/, ', did you mean $1?')
      .trim();
    write(`mcp-gateway: ${what} (see: mcp-gateway ${path === '' ? '' : `${path} `}--help)\n`);
  };
}

/** 0 on success, 2 on wrong usage, 1 on any other failure, which is told in one sentence. */
export function exitCode(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof InvalidArgumentError) return 2;
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const debug = process.argv.join(' ').includes('--log-level debug') || process.argv.includes('--log-level=debug');
  process.stderr.write(`mcp-gateway: ${message}\n${debug && stack !== undefined ? `${stack}\n` : ''}`);
  return 1;
}
