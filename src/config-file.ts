/** Text of a configuration → plain JSON with its `{"$env"}` and `{"$file"}` references resolved, or every fault by its path. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

export interface Fault {
  /** `mcpServers.files.args[0]`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** The configuration cannot be used. Its message names every fault, one to a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly Fault[];
  constructor(source: string, faults: readonly Fault[]) {
    const lines = faults.map(({ path, message }) => `\n  ${path === '' ? '' : `${path}: `}${message}`);
    super(`${source}: ${faults.length === 1 ? 'one fault' : `${faults.length} faults`}${lines.join('')}`);
    this.faults = faults;
  }
}

/** Throws `ConfigError` where the file cannot be read or is no JSON object. */
export function readConfigFile(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const hint = 'name another file with -c, or write one with "mcp-gateway init"';
    throw new ConfigError(file, [{ path: '', message: `cannot be read (${(cause as Error).message}); ${hint}` }]);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError(file, [{ path: '', message: `is not JSON: ${(cause as Error).message}` }]);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError(file, [{ path: '', message: 'must be a JSON object, {…}' }]);
  }
  return value as Record<string, unknown>;
}

/**
 * A copy with every `{"$env": "NAME"}` and `{"$file": "PATH"}` replaced by the text it stands for, one final newline of a
 * file left off. Relative paths start at `directory`. What cannot be resolved is added to `faults` and reads as empty.
 */
export function resolveReferences(
  value: unknown,
  from: { directory: string; env: NodeJS.ProcessEnv },
  faults: Fault[],
  path: readonly (string | number)[] = [],
): unknown {
  if (Array.isArray(value)) return value.map((item, index) => resolveReferences(item, from, faults, [...path, index]));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [only] = entries;
  if (entries.length === 1 && only !== undefined && (only[0] === '$env' || only[0] === '$file')) {
    const [kind, target] = only;
    if (typeof target !== 'string' || target === '') {
      faults.push({ path: jsonPath([...path, kind]), message: `names nothing; write {"${kind}": "…"}` });
      return '';
    }
    return kind === '$env' ? fromEnvironment(target, from.env, faults, path) : fromFile(target, from, faults, path);
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, resolveReferences(item, from, faults, [...path, key])]));
}

function fromEnvironment(
  name: string,
  env: NodeJS.ProcessEnv,
  faults: Fault[],
  path: readonly (string | number)[],
): string {
  const text = env[name];
  if (text === undefined) faults.push({ path: jsonPath(path), message: `the environment variable ${name} is not set` });
  return text ?? '';
}

function fromFile(
  target: string,
  from: { directory: string },
  faults: Fault[],
  path: readonly (string | number)[],
): string {
  try {
    return readFileSync(resolve(from.directory, target), 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    faults.push({ path: jsonPath(path), message: `the file cannot be read (${(cause as Error).message})` });
    return '';
  }
}

/** `["a", "b c", 0]` → `a["b c"][0]` */
export function jsonPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    const name = String(part);
    if (!/^[\w$-]+$/.test(name)) return `${text}[${JSON.stringify(name)}]`;
    return text === '' ? name : `${text}.${name}`;
  }, '');
}

export const defaultFile = 'gateway.config.json';
/** Of the gateway that runs as a service of this machine. */
export const systemFile = '/etc/mcp-gateway/gateway.config.json';

/** What is meant where nobody names a file: that of the working directory, else that of the service. */
export function presentFile(): string | undefined {
  return [defaultFile, systemFile].find((file) => existsSync(file));
}

/** Where the references of a file start. */
export function directoryOf(file: string | undefined): string {
  return file === undefined ? process.cwd() : dirname(resolve(file));
}
