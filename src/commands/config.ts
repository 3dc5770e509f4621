/** `config schema` and `config show` */

import { configJsonSchema, loadConfig } from '../config.ts';
import { isSecret } from '../log.ts';

export function configSchema(): void {
  process.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
}

/** Defaults filled in, secrets masked. */
export function configShow(options: { config?: string }): void {
  const config = loadConfig({ ...(options.config !== undefined && { file: options.config }), env: process.env });
  process.stdout.write(`${JSON.stringify(masked(config), null, 2)}\n`);
}

/** Whatever an operator may have put a secret in: what is named like one, and all that a server is given. */
function masked(value: unknown, key = '', within = ''): unknown {
  if (value instanceof URL) return value.href;
  if (Array.isArray(value)) return value.map((item) => masked(item, key, within));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, masked(item, name, key)]));
  }
  // A Redis is named with its password.
  if (key === 'store' && typeof value === 'string') return value.replace(/^(\w+:\/\/)[^@/]*@/, '$1[masked]@');
  return typeof value === 'string' && (isSecret(key) || within === 'env' || within === 'headers') ? '[masked]' : value;
}
