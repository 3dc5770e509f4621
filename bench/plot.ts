/** One curve as an SVG that reads on a light and on a dark page. */

import type { Curve } from './report.ts';

const width = 480;
const height = 260;
const left = 60;
const right = 32;
const top = 40;
const bottom = 50;

/** The x axis is logarithmic, the y axis begins at zero, so that a slope is a slope. */
export function plotOf({ title, x, y, points }: Curve): string {
  const widest = Math.max(1, Math.log10(points.at(-1)?.[0] ?? 10));
  const highest = niceAbove(Math.max(...points.map(([, value]) => value)));
  const atX = (value: number) => left + (Math.log10(value) / widest) * (width - left - right);
  const atY = (value: number) => height - bottom - (value / highest) * (height - top - bottom);
  const line = points.map(([a, b], at) => `${at === 0 ? 'M' : 'L'}${atX(a).toFixed(1)} ${atY(b).toFixed(1)}`).join('');
  const dots = points.map(([a, b]) => `<circle cx="${atX(a).toFixed(1)}" cy="${atY(b).toFixed(1)}" r="3"/>`).join('');
  const text = (px: number, py: number, anchor: string, words: string) =>
    `<text x="${px.toFixed(1)}" y="${py.toFixed(1)}" text-anchor="${anchor}">${words}</text>`;
  const acrossX = points.map(([a]) => text(atX(a), height - bottom + 18, 'middle', a.toLocaleString('en-US')));
  const acrossY = [0, highest / 2, highest].map((b) => text(left - 8, atY(b) + 4, 'end', String(b)));
  const grid = [0, highest / 2, highest].map((b) => `M${left} ${atY(b).toFixed(1)}H${width - right}`).join('');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#888">
<title>${title}</title>
<path d="${grid}" stroke="#8884" fill="none"/>
<path d="${line}" stroke="#3b82f6" stroke-width="2" fill="none"/>
<g fill="#3b82f6">${dots}</g>
${[...acrossX, ...acrossY].join('\n')}
${text(left, 22, 'start', `${title}, ${y}`)}
${text((left + width - right) / 2, height - 10, 'middle', x)}
</svg>
`;
}

/** The next of 1, 2, 4 and their tens. */
function niceAbove(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 10].map((step) => step * unit).find((each) => each >= value) ?? value;
}
