/** `version` */

import { isSea } from 'node:sea';
import { version } from '../version.ts';

export function printVersion(options: { json?: true }): void {
  const facts = { version, node: process.versions.node, singleExecutable: isSea() };
  process.stdout.write(
    options.json
      ? `${JSON.stringify(facts)}\n`
      : `mcp-gateway ${version} (Node ${facts.node}${facts.singleExecutable ? ', single executable' : ''})\n`,
  );
}
