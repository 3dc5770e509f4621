/** Log lines for people. Colour only where the stream is a terminal and NO_COLOR is not set. */

import type { Writable } from 'node:stream';
import { styleText } from 'node:util';

type Fields = Readonly<Record<string, unknown>>;
type Style = Parameters<typeof styleText>[0];

/** Of a request, what a person at a terminal does not need: it stays in the JSON. */
const machinesOnly = new Set(['host', 'protocol', 'userAgent', 'traceId']);

export function prettyLine(output: Writable, level: string, event: string, fields: Fields): string {
  const time = new Date().toTimeString().slice(0, 8);
  const paint = (style: Style, text: string) => styleText(style, text, { stream: output });
  const word = level.toUpperCase().padEnd(5);
  const marked = level === 'error' ? paint('red', word) : level === 'warn' ? paint('yellow', word) : word;
  const start = `${paint('dim', time)} ${marked}`;
  if (event !== 'request') return `${[start, event, ...pairs(fields)].join(' ')}\n`;
  const { method, path, status, duration, ...rest } = fields;
  const told = Object.entries(rest).filter(([name]) => !machinesOnly.has(name));
  const asked = [plain(method), plain(path), paint(styleOf(Number(status)), String(status)), `${duration}ms`];
  return `${[start, ...asked, ...pairs(Object.fromEntries(told))].join(' ')}\n`;
}

function styleOf(status: number): Style {
  return status >= 500 ? 'red' : status >= 400 ? 'yellow' : status >= 300 ? 'cyan' : 'green';
}

function pairs(fields: Fields): string[] {
  return Object.entries(fields).map(([key, value]) => `${key}=${pretty(value)}`);
}

/** A path or a method as it is, where nothing in it can do harm to a terminal or to whoever reads words. */
function plain(value: unknown): string {
  return /^[\x21-\x7e]+$/.test(String(value)) ? String(value) : JSON.stringify(value);
}

/** Control characters never reach a terminal as they are: a log line is one line. */
function pretty(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(text);
}
