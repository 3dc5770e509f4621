/** The last lines of the log, as they were written: without secrets, and each of bounded length. */

import { type LogFields, type LogLevel, logLevels, redact } from '../log.ts';
import type { LogLine } from './state.ts';

export interface LogTail {
  hear(level: LogLevel, event: string, fields: LogFields): void;
  /** Those after the line with this number, oldest first, as far as they are still there. */
  since(number: number): readonly LogLine[];
  /** How many lines there have been. */
  readonly count: number;
}

const kept = 1000;
/** Characters of one value. */
const longest = 1000;

/** `least` is the least important level that is kept. */
export function logTail(least: LogLevel): LogTail {
  const threshold = logLevels.indexOf(least);
  const ring: LogLine[] = [];
  let count = 0;
  return {
    hear(level, event, fields) {
      if (logLevels.indexOf(level) < threshold) return;
      ring[count % kept] = { time: new Date().toISOString(), level, event, fields: texts(fields) };
      count += 1;
    },
    since(number) {
      const lines: LogLine[] = [];
      for (let at = Math.max(number, count - kept); at < count; at += 1) {
        const line = ring[at % kept];
        if (line) lines.push(line);
      }
      return lines;
    },
    get count() {
      return count;
    },
  };
}

function texts(fields: LogFields): LogLine['fields'] {
  return Object.entries(redact(fields, false)).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return [name, text.length > longest ? `${text.slice(0, longest)}…` : text];
  });
}
