/** Quantities as people read them, each with its unit. */

import { element } from './element.js';

/** `512 B`, `3.4 MB` @param {number} bytes */
export function size(bytes) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const step = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${short(bytes / 1024 ** step)} ${units[step]}`;
}

/** The two largest units: `3 d 4 h`, `5 min 12 s`. @param {number} seconds */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  /** @type {[number, string][]} */
  const parts = [
    [Math.floor(whole / 86400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(' ');
}

/** `0.4 ms`, `120 ms`, `3.2 s` @param {number} milliseconds */
export function wait(milliseconds) {
  return milliseconds < 1000 ? `${short(milliseconds)} ms` : `${short(milliseconds / 1000)} s`;
}

/** `0.2/s`, `140/s` @param {number} perSecond */
export function rate(perSecond) {
  return `${short(perSecond)}/s`;
}

/** `1,234` @param {number} count */
export function count(count) {
  return count.toLocaleString('en');
}

/** Two digits that matter where it is small. @param {number} amount */
function short(amount) {
  if (amount === 0) return '0';
  if (amount < 0.095) return amount.toFixed(2);
  return amount < 9.95 ? amount.toFixed(1).replace(/\.0$/, '') : Math.round(amount).toLocaleString('en');
}

const dates = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const clocks = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium', hourCycle: 'h23' });

/** In local time; the title says it in full. @param {number | string} at milliseconds since the epoch, or ISO 8601 */
export function date(at) {
  const iso = new Date(at).toISOString();
  return element('time', { datetime: iso, title: iso }, dates.format(new Date(at)));
}

/** The time of day. @param {number | string} at */
export function clock(at) {
  const iso = new Date(at).toISOString();
  return element('time', { datetime: iso, title: iso }, clocks.format(new Date(at)));
}
