/** Numbers with names and labels, and their text for Prometheus (exposition format 0.0.4). */

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(amount?: number): void;
}

export interface Histogram {
  /** Seconds. */
  observe(value: number): void;
}

export interface Registry {
  /** The series with these labels, made at its first mention; keep it where it is counted often. */
  counter(name: string, help: string, labels?: Labels): Counter;
  histogram(name: string, help: string, labels?: Labels): Histogram;
  /** Every family whole; `gauges` are known only at the moment they are asked for. */
  text(gauges?: readonly Gauge[]): string;
}

export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly samples: readonly { readonly labels?: Labels; readonly value: number }[];
}

interface Family {
  readonly help: string;
  readonly type: 'counter' | 'histogram';
  readonly series: Map<string, Counter & Histogram & { lines(name: string): string[] }>;
}

/** In seconds: from a cached answer to a tool that thinks. */
const bounds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export const contentType = 'text/plain; version=0.0.4; charset=utf-8';

export function registry(): Registry {
  const families = new Map<string, Family>();
  const find = (type: Family['type'], name: string, help: string, labels: Labels) => {
    const family = families.get(name) ?? { help, type, series: new Map() };
    families.set(name, family);
    const written = labelsText(labels);
    const series = family.series.get(written) ?? (type === 'counter' ? counterOf(written) : histogramOf(labels));
    family.series.set(written, series);
    return series;
  };
  return {
    counter: (name, help, labels = {}) => find('counter', name, help, labels),
    histogram: (name, help, labels = {}) => find('histogram', name, help, labels),
    text(gauges = []) {
      const counted = [...families].flatMap(([name, { help, type, series }]) => [
        ...head(name, help, type),
        ...[...series.values()].flatMap((one) => one.lines(name)),
      ]);
      const measured = gauges.flatMap(({ name, help, samples }) => [
        ...head(name, help, 'gauge'),
        ...samples.map(({ labels = {}, value }) => `${name}${labelsText(labels)} ${value}`),
      ]);
      return [...counted, ...measured, ''].join('\n');
    },
  };
}

function counterOf(labels: string) {
  let total = 0;
  const add = (amount = 1) => {
    total += amount;
  };
  return { add, observe: add, lines: (name: string) => [`${name}${labels} ${total}`] };
}

function histogramOf(labels: Labels) {
  const counts = new Array<number>(bounds.length).fill(0);
  const all = labelsText(labels);
  let sum = 0;
  let count = 0;
  const observe = (value = 0) => {
    sum += value;
    count += 1;
    const at = bounds.findIndex((bound) => value <= bound);
    if (at >= 0) counts[at] = (counts[at] ?? 0) + 1;
  };
  const lines = (name: string) => {
    let below = 0;
    const buckets = bounds.map((bound, at) => {
      below += counts[at] ?? 0;
      return `${name}_bucket${labelsText({ ...labels, le: String(bound) })} ${below}`;
    });
    const last = `${name}_bucket${labelsText({ ...labels, le: '+Inf' })} ${count}`;
    return [...buckets, last, `${name}_sum${all} ${sum}`, `${name}_count${all} ${count}`];
  };
  return { add: observe, observe, lines };
}

function head(name: string, help: string, type: string): string[] {
  return [`# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`, `# TYPE ${name} ${type}`];
}

function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
