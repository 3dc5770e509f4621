/** What was measured, against what was wanted; for people, and with --json for machines. */

import { median, type Ratio, ratioOf } from './pairs.ts';

/** One target and whether it was reached. */
export interface Finding {
  /** Which target: `1 proxy`, `2 bridge` and so on. */
  readonly target: string;
  readonly what: string;
  readonly measured: number;
  readonly unit: string;
  readonly wanted: { readonly atLeast: number } | { readonly atMost: number };
  /** Of the rounds, where it is a ratio of pairs. */
  readonly spread?: readonly [least: number, most: number];
}

/** One program under one load: medians. */
export interface Measured {
  readonly load: string;
  readonly name: string;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpu: number;
  readonly memory: number;
}

/** A quantity by another, for the plots. */
export interface Curve {
  readonly name: string;
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Report {
  readonly findings: Finding[];
  readonly measured: Measured[];
  readonly curves: Curve[];
  /** What could not be run, and why. */
  readonly missing: string[];
}

interface Run {
  readonly requests: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpu: number;
  readonly memory: number;
}

export const rate = ({ requests, seconds }: Run): number => requests / seconds;

export function summary(load: string, name: string, runs: readonly Run[]): Measured {
  const of = (value: (run: Run) => number) => median(runs.map(value));
  return {
    load,
    name,
    perSecond: of(rate),
    p50: of((run) => run.p50),
    p99: of((run) => run.p99),
    cpu: of((run) => run.cpu),
    memory: of((run) => run.memory),
  };
}

/** Ours by theirs, run by run. */
export function compared<T extends Run>(
  target: string,
  what: string,
  [ours, theirs]: readonly [readonly T[], readonly T[]],
  value: (run: T) => number,
  wanted: Finding['wanted'],
): Finding {
  const { median: measured, least, most }: Ratio = ratioOf(ours, theirs, value);
  return { target, what, measured, unit: '×', wanted, spread: [least, most] };
}

export function isReached({ measured, wanted }: Finding): boolean {
  return 'atLeast' in wanted ? measured >= wanted.atLeast : measured <= wanted.atMost;
}

const number = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en-US') : value >= 100 ? value.toFixed(0) : value.toPrecision(3);

export function asText({ findings, measured, missing }: Report): string {
  const runs = measured.map(({ load, name, perSecond, p50, p99, cpu, memory }) => [
    load,
    name,
    number(perSecond),
    p50.toFixed(2),
    p99.toFixed(2),
    cpu.toFixed(2),
    (memory / 1e6).toFixed(0),
  ]);
  const targets = findings.map((finding) => {
    const { target, what, measured: value, unit, wanted, spread } = finding;
    const bound = 'atLeast' in wanted ? `at least ${wanted.atLeast}` : `at most ${wanted.atMost}`;
    const range = spread === undefined ? '' : spread.map(number).join(' to ');
    return [target, what, `${number(value)} ${unit}`, range, bound, isReached(finding) ? 'yes' : 'no'];
  });
  return [
    table(['load', 'program', 'a second', 'p50 ms', 'p99 ms', 'CPU s / 100,000', 'RSS MB'], runs),
    table(['target', 'what', 'measured', 'spread', 'wanted', 'reached'], targets),
    ...missing.map((text) => `Not run: ${text}\n`),
  ].join('\n');
}

/** A table of Markdown that is aligned in a terminal, too. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |\n`;
  return line(head) + line(widths.map((width) => '-'.repeat(width))) + rows.map(line).join('');
}
