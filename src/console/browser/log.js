/** The tail of the log: filtered, and held still on demand. */

/** @import { LogLine } from '../state.ts' */

import { byId, element } from './element.js';
import { clock, count } from './units.js';

const kept = 1000;
const levels = ['debug', 'info', 'warn', 'error'];

/** Fills the section, and answers how to tell it more lines. */
export function logSection() {
  const list = byId('log-lines');
  const level = /** @type {HTMLSelectElement} */ (byId('log-level'));
  const filter = /** @type {HTMLInputElement} */ (byId('log-filter'));
  const pause = byId('log-pause');
  /** @type {LogLine[]} */
  let lines = [];
  let paused = false;
  let unseen = 0;
  // What scrolls must be reached by the keyboard too (WCAG 2.1.1); not every browser sees to that.
  list.tabIndex = 0;

  /** @param {LogLine} line */
  const wanted = (line) =>
    levels.indexOf(line.level) >= levels.indexOf(level.value) &&
    (filter.value === '' || textOf(line).includes(filter.value.toLowerCase()));
  const showCount = () => {
    byId('log-count').textContent = paused
      ? `paused; ${count(unseen)} more`
      : `${count(list.childElementCount)} of the last ${count(lines.length)} lines`;
  };
  /** @param {readonly LogLine[]} more */
  const append = (more) => {
    const following = list.scrollTop + list.clientHeight >= list.scrollHeight - 4;
    list.append(...more.filter(wanted).map(drawn));
    while (list.childElementCount > kept) list.firstElementChild?.remove();
    if (following) list.scrollTop = list.scrollHeight;
    showCount();
  };
  const anew = () => {
    unseen = 0;
    list.replaceChildren();
    append(lines);
    list.scrollTop = list.scrollHeight;
  };

  level.addEventListener('change', anew);
  filter.addEventListener('input', anew);
  pause.addEventListener('click', () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', String(paused));
    if (paused) showCount();
    else anew();
  });

  return {
    /** What there was before the page began to listen. @param {readonly LogLine[]} all */
    begin(all) {
      lines = all.slice(-kept);
      if (!paused) anew();
    },
    /** @param {readonly LogLine[]} more */
    add(more) {
      lines = [...lines, ...more].slice(-kept);
      if (!paused) return append(more);
      unseen += more.length;
      showCount();
    },
  };
}

/** @param {LogLine} line */
function textOf({ level, event, fields }) {
  return [level, event, ...fields.map(([name, text]) => `${name}=${text}`)].join(' ').toLowerCase();
}

/** @param {LogLine} line */
function drawn({ time, level, event, fields }) {
  const words = fields.flatMap(([name, text]) => [
    ' ',
    element('span', { class: 'field' }, `${name}=`),
    element('bdi', {}, text),
  ]);
  return element(
    'li',
    { class: level },
    clock(time),
    element('span', { class: 'level' }, level),
    element('span', {}, element('span', { class: 'event' }, event), ...words),
  );
}
