/** Numbers over time as lines, drawn as SVG. The pointer, or the arrow keys, read them at any moment. */

/** @import { Sample } from '../state.ts' */

import { drawing, element, fill } from './element.js';
import { clock, count, rate, size, span, wait } from './units.js';

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {(sample: Sample, interval: number) => number | undefined} value
 * @property {(values: readonly number[]) => number} joined of the samples that fall on one point
 *
 * @typedef {object} Plot
 * @property {string} title
 * @property {(value: number) => string} unit
 * @property {number} base of the steps on its scale
 * @property {readonly number[]} steps where its scale may end, in powers of the base; half of it is told too
 * @property {number} least where its scale ends while there is nothing
 * @property {readonly Series[]} series
 *
 * @typedef {{ at: number, values: readonly (number | undefined)[] }} Point
 */

/** @param {readonly number[]} values */
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
/** @param {readonly number[]} values */
const most = (values) => Math.max(...values);

/** @type {readonly Plot[]} */
const plots = [
  {
    title: 'Requests',
    unit: rate,
    base: 10,
    steps: [1, 2, 5, 10],
    least: 1,
    series: [
      { name: 'all', value: ({ requests }, interval) => requests / interval, joined: mean },
      { name: '4xx', value: ({ refused }, interval) => refused / interval, joined: mean },
      { name: '5xx', value: ({ failed }, interval) => failed / interval, joined: mean },
    ],
  },
  {
    title: 'Latency',
    unit: wait,
    base: 10,
    steps: [1, 2, 5, 10],
    least: 10,
    series: [
      { name: 'p50', value: ({ latency }) => latency?.p50, joined: mean },
      { name: 'p95', value: ({ latency }) => latency?.p95, joined: most },
      { name: 'p99', value: ({ latency }) => latency?.p99, joined: most },
    ],
  },
  {
    title: 'Memory',
    unit: size,
    base: 2,
    steps: [1, 1.5, 2],
    least: 1024 ** 2,
    series: [
      { name: 'gateway', value: ({ memory }) => memory, joined: most },
      { name: 'children', value: ({ childMemory }) => childMemory, joined: most },
    ],
  },
  {
    title: 'Sessions and children',
    unit: count,
    base: 10,
    steps: [2, 4, 6, 10, 20],
    least: 2,
    series: [
      { name: 'sessions', value: ({ sessions }) => sessions, joined: most },
      { name: 'children', value: ({ children }) => children, joined: most },
    ],
  },
];

const height = 132;
const edge = { left: 56, right: 10, top: 8, bottom: 20 };
const points = 180;
/** Milliseconds. */
const [shortest, longest] = [5 * 60_000, 60 * 60_000];

/**
 * Puts them all in place. Answers how to draw them anew.
 * @param {HTMLElement} parent
 */
export function plotSection(parent) {
  const drawn = plots.map((plot) => {
    const made = figure(plot);
    parent.append(made.figure);
    return made;
  });
  return {
    /** @param {readonly Sample[]} samples @param {number} interval seconds */
    draw(samples, interval) {
      for (const { draw } of drawn) draw(samples, interval);
    },
  };
}

/** @param {Plot} plot */
function figure(plot) {
  const { title, unit, series } = plot;
  const svg = drawing('svg', { tabindex: 0, role: 'slider', 'aria-label': `${title} over time`, 'aria-valuemin': 0 });
  const moment = element('span', { class: 'soft' });
  const readings = series.map(() => element('strong'));
  const legend = element(
    'ul',
    {},
    ...series.map(({ name }, at) =>
      element('li', {}, key(at), element('span', { class: 'series-name' }, name), readings[at] ?? ''),
    ),
  );
  const made = element('figure', {}, element('figcaption', {}, element('span', {}, title), moment), legend, svg);
  /** @type {readonly Point[]} */
  let shown = [];
  /** @type {number | undefined} */
  let chosen;

  const read = () => {
    const at = chosen ?? shown.length - 1;
    const point = shown[at];
    const texts = series.map((_, index) => {
      const value = point?.values[index];
      return value === undefined ? '–' : unit(value);
    });
    texts.forEach((text, index) => {
      if (readings[index]) readings[index].textContent = text;
    });
    const first = shown[0];
    fill(
      moment,
      chosen === undefined || point === undefined
        ? `last ${span((Date.now() - (first?.at ?? Date.now())) / 1000)}`
        : clock(point.at),
    );
    svg.setAttribute('aria-valuemax', String(Math.max(0, shown.length - 1)));
    svg.setAttribute('aria-valuenow', String(Math.max(0, at)));
    const when = point === undefined ? 'nothing yet' : (clock(point.at).textContent ?? '');
    svg.setAttribute(
      'aria-valuetext',
      `${when}: ${series.map(({ name }, index) => `${name} ${texts[index]}`).join(', ')}`,
    );
    const line = svg.querySelector('.moment');
    const x = chosen === undefined || point === undefined ? -1 : place(shown, point, width()).x;
    line?.setAttribute('d', x < 0 ? '' : `M${x} ${edge.top}V${height - edge.bottom}`);
  };
  const width = () => Math.max(200, svg.clientWidth);

  svg.addEventListener('pointermove', ({ clientX }) => {
    const x = clientX - svg.getBoundingClientRect().left;
    chosen = nearest(shown, x, width());
    read();
  });
  const forget = () => {
    chosen = undefined;
    read();
  };
  svg.addEventListener('pointerleave', forget);
  svg.addEventListener('blur', forget);
  svg.addEventListener('keydown', (event) => {
    const last = shown.length - 1;
    const from = chosen ?? last;
    /** @type {Record<string, number>} */
    const to = {
      ArrowLeft: from - 1,
      ArrowRight: from + 1,
      PageUp: from - 10,
      PageDown: from + 10,
      Home: 0,
      End: last,
    };
    const wanted = to[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    chosen = Math.min(last, Math.max(0, wanted));
    read();
  });

  return {
    figure: made,
    /** @param {readonly Sample[]} samples @param {number} interval */
    draw(samples, interval) {
      shown = joined(samples, plot, interval);
      paint(svg, shown, plot, width());
      read();
    },
  };
}

/** @param {number} at */
function key(at) {
  return drawing(
    'svg',
    { class: 'key', viewBox: '0 0 18 8', 'aria-hidden': 'true' },
    drawing('path', { class: `series s${at + 1}`, d: 'M1 4H17' }),
  );
}

/** At most so many points, each of the samples that fall on it. @param {readonly Sample[]} samples @param {Plot} plot @param {number} interval @returns {Point[]} */
function joined(samples, { series }, interval) {
  const each = Math.max(1, Math.ceil(samples.length / points));
  /** @type {Point[]} */
  const made = [];
  // Counted from the first, so that a point keeps its samples while others come.
  for (let start = 0; start < samples.length; start += each) {
    const group = samples.slice(start, start + each);
    const values = series.map(({ value, joined }) => {
      const found = group.map((sample) => value(sample, interval)).filter((one) => one !== undefined);
      return found.length === 0 ? undefined : joined(found);
    });
    made.push({ at: group.at(-1)?.at ?? 0, values });
  }
  return made;
}

/** @param {readonly Point[]} shown */
function range(shown) {
  const end = shown.at(-1)?.at ?? Date.now();
  const length = Math.min(longest, Math.max(shortest, end - (shown[0]?.at ?? end)));
  return { start: end - length, length };
}

/** @param {readonly Point[]} shown @param {Point} point @param {number} width */
function place(shown, point, width) {
  const { start, length } = range(shown);
  const inner = width - edge.left - edge.right;
  return { x: Math.round((edge.left + ((point.at - start) / length) * inner) * 10) / 10 };
}

/** @param {readonly Point[]} shown @param {number} x @param {number} width */
function nearest(shown, x, width) {
  const distances = shown.map((point) => Math.abs(place(shown, point, width).x - x));
  return distances.length === 0 ? undefined : distances.indexOf(Math.min(...distances));
}

/** @param {SVGSVGElement} svg @param {readonly Point[]} shown @param {Plot} plot @param {number} width */
function paint(svg, shown, plot, width) {
  const { unit, series } = plot;
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const known = shown.flatMap(({ values }) => values.filter((value) => value !== undefined));
  const top = ceiling(Math.max(0, ...known), plot);
  const bottom = height - edge.bottom;
  /** @param {number} value */
  const y = (value) => Math.round((bottom - (value / top) * (bottom - edge.top)) * 10) / 10;
  const grid = [0, top / 2, top].flatMap((value) => [
    drawing('path', { class: 'grid', d: `M${edge.left} ${y(value)}H${width - edge.right}` }),
    drawing('text', { x: edge.left - 6, y: y(value) + 4, 'text-anchor': 'end' }, unit(value)),
  ]);
  const { length } = range(shown);
  const lines = series.map((_, index) => {
    let open = false;
    const d = shown.map((point) => {
      const value = point.values[index];
      if (value === undefined) {
        open = false;
        return '';
      }
      const step = `${open ? 'L' : 'M'}${place(shown, point, width).x} ${y(value)}${open ? '' : 'h0'}`;
      open = true;
      return step;
    });
    return drawing('path', { class: `series s${index + 1}`, d: d.join('') });
  });
  fill(
    svg,
    ...grid,
    drawing('text', { x: edge.left, y: height - 4 }, `${span(length / 1000)} ago`),
    drawing('text', { x: width - edge.right, y: height - 4, 'text-anchor': 'end' }, 'now'),
    // The first is the one that matters, so it is drawn last.
    ...lines.toReversed(),
    drawing('path', { class: 'moment' }),
  );
}

/** The next round number, so that the scale moves seldom. @param {number} value @param {Plot} plot */
function ceiling(value, { base, steps, least }) {
  if (value <= least) return least;
  const power = base ** Math.floor(Math.log(value) / Math.log(base));
  return power * (steps.find((step) => step * power >= value) ?? base);
}
