/** One line per event, JSON for machines or text for a terminal. Secrets are cut out by key name before anything is written. */

import type { Writable } from 'node:stream';
import { prettyLine } from './pretty-log.ts';

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A log whose every line carries these fields too. */
  with(fields: LogFields): Log;
}

/** Told of each event, whatever level is written, with the fields as they were given: they may hold secrets. */
export type Heard = (level: LogLevel, event: string, fields: LogFields) => void;

/** The methods of all logs that are made of one are the same and know the fields by `this`: each request has a log of its own. */
interface Bound extends Log {
  readonly bound: LogFields;
}

interface Overheard extends Bound {
  readonly log: Log;
}

/** The same log, with somebody who listens. */
export function overheard(log: Log, hear: Heard): Log {
  const at = (level: LogLevel) =>
    function (this: Overheard, event: string, fields: LogFields = {}) {
      this.log[level](event, fields);
      hear(level, event, { ...this.bound, ...fields });
    };
  const [debug, info, warn, error] = [at('debug'), at('info'), at('warn'), at('error')];
  function more(this: Overheard, fields: LogFields): Log {
    return make(this.log.with(fields), { ...this.bound, ...fields });
  }
  const make = (log: Log, bound: LogFields): Overheard => ({ log, bound, debug, info, warn, error, with: more });
  return make(log, {});
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'json' | 'pretty';
  readonly output: Writable;
  /** Writes a line to it. [at once] */
  readonly write?: (line: string) => void;
}

const secretKey =
  /secret|password|passwd|token$|^token|authorization|cookie|^code$|code_verifier|assertion|private|^key$|^storeKey$|^hash$|otp/i;
const redacted = '[redacted]';

/** Names repeat from line to line; the cap is for those that come from outside. */
const judged = new Map<string, boolean>();
const mostJudged = 1024;

/** Whether what stands under this name is never to be shown. */
export function isSecret(name: string): boolean {
  const known = judged.get(name);
  if (known !== undefined) return known;
  const found = secretKey.test(name);
  if (judged.size < mostJudged) judged.set(name, found);
  return found;
}

const unwritten = () => {};

export function log(options: LogOptions): Log {
  const { output, write = (line) => output.write(line) } = options;
  const threshold = logLevels.indexOf(options.level);
  const line = options.format === 'json' ? jsonLine : prettyLine.bind(undefined, output);
  const at = (level: LogLevel) =>
    logLevels.indexOf(level) < threshold
      ? unwritten
      : function (this: Bound, event: string, fields: LogFields = {}) {
          write(line(level, event, redact({ ...this.bound, ...fields }, options.level === 'debug')));
        };
  const [debug, info, warn, error] = [at('debug'), at('info'), at('warn'), at('error')];
  function more(this: Bound, fields: LogFields): Log {
    return make({ ...this.bound, ...fields });
  }
  const make = (bound: LogFields): Bound => ({ bound, debug, info, warn, error, with: more });
  return make({});
}

/** For tests and for code that must be quiet. */
export const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

/** What may be shown of them; an error becomes its message, or its stack. */
export function redact(fields: LogFields, withStack: boolean): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    if (value === undefined) continue;
    clean[key] = isSecret(key) && typeof value !== 'object' ? redacted : plain(value, withStack);
  }
  return clean;
}

function plain(value: unknown, withStack: boolean): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return withStack ? value.stack : causes(value);
  if (value instanceof URL) return value.href;
  if (Array.isArray(value)) return value.map((item) => plain(item, withStack));
  return redact(value as LogFields, withStack);
}

function causes(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${causes(error.cause)}` : error.message;
}

function jsonLine(level: LogLevel, event: string, fields: LogFields): string {
  return `${JSON.stringify({ time: new Date().toISOString(), level, event, ...fields })}\n`;
}
