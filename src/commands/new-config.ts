/** Writes configuration files: readable by their owner alone, whole or not at all, and never over another one unasked. */

import { chmodSync, existsSync, linkSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type GatewayConfig, loadConfig } from '../config.ts';
import { fileFault } from './named-file.ts';

/** Throws one sentence where there is such a file already and `force` is not given. */
export function refuseToOverwrite(file: string, force: boolean): void {
  if (existsSync(file) && !force)
    throw new Error(`${file} is there already; name another with -c, or overwrite it with --force`);
}

/**
 * Throws ConfigError with every fault. References stand for whatever they will be, so that a secret which is not set yet, or
 * is for the gateway's user alone, is no fault.
 */
export function plannedConfig(config: Readonly<Record<string, unknown>>): GatewayConfig {
  return loadConfig({ overrides: withoutReferences({ mcpServers: {}, ...config }), env: {} });
}

/** Throws ConfigError with every fault, and nothing written. Makes the directory where there is none. */
export function writeConfig(file: string, config: Readonly<Record<string, unknown>>, force: boolean): void {
  plannedConfig(config);
  const draft = `${file}.${process.pid}.new`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(draft, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    // Who may read a file that is there already is its owner's decision.
    if (existsSync(file)) chmodSync(draft, statSync(file).mode & 0o777);
    if (force) renameSync(draft, file);
    else linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') refuseToOverwrite(file, false);
    throw new Error(`${file} cannot be written: ${fileFault(error)}`, { cause: error });
  } finally {
    rmSync(draft, { force: true });
  }
}

function withoutReferences(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value), (_, item: unknown) =>
    typeof item === 'object' && item !== null && ('$env' in item || '$file' in item) ? 'set-when-it-runs' : item,
  ) as Record<string, unknown>;
}
