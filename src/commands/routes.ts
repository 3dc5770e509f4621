/** `routes`: the route table in match order, without starting anything that it names. */

import { loadConfig } from '../config.ts';
import { routeTable } from '../gateway.ts';
import { silent } from '../log.ts';
import { printTable } from './table.ts';

export async function routes(options: { config?: string; json?: true }): Promise<void> {
  const config = loadConfig({ ...(options.config !== undefined && { file: options.config }), env: process.env });
  const rows = await routeTable(config, silent);
  if (options.json) {
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    return;
  }
  printTable(
    ['PRIORITY', 'NAME', 'ACCESS', 'RULE', 'SERVICE'],
    rows.map(({ priority, name, guarded, rule, target, disabled }) => [
      priority > 1e9 ? 'built-in' : String(priority),
      name,
      guarded ? 'guarded' : 'public',
      rule,
      disabled === undefined ? target : `DISABLED: ${disabled}`,
    ]),
  );
}
