/** Servers and children as they are, and what needs attention. */

/** @import { Certificate, Sample, Server, Status } from '../state.ts' */

import { byId, element, keep, tableOf } from './element.js';
import { count, size, span } from './units.js';

/** Rows; beyond, the heaviest children are shown and the rest counted. */
const mostChildren = 100;

/** @param {Status} status */
export function showServers({ servers }) {
  const table = tableOf('server-table');
  const body = table.tBodies[0];
  if (body === undefined) return;
  keep(
    body,
    rowsOr(servers),
    ({ name }) => name,
    (server) => (server.name === '' ? nothing(6, 'No MCP server is configured.') : serverRow(server)),
  );
  showChildren(servers);
}

/** @param {readonly Server[]} servers @returns {readonly Server[]} */
function rowsOr(servers) {
  return servers.length > 0
    ? servers
    : [{ name: '', url: '', guarded: true, target: '', state: 'ready', sessions: 0, children: [] }];
}

/** @param {number} columns @param {string} text */
export function nothing(columns, text) {
  return element('tr', {}, element('td', { colspan: columns, class: 'soft' }, text));
}

/** @param {Server} server */
function serverRow({ name, url, guarded, target, state, retryIn, lastFailure, sessions, children }) {
  const memory = children.reduce((sum, { rss = 0 }) => sum + rss, 0);
  const retry = retryIn === undefined ? '' : `, next try in ${span(retryIn)}`;
  return element(
    'tr',
    {},
    element(
      'th',
      { scope: 'row' },
      element('span', { class: 'name' }, name),
      element('span', {}, !guarded && element('span', { class: 'mark warn beside' }, 'public')),
      element('small', {}, url),
    ),
    element(
      'td',
      {},
      element('span', { class: `mark ${looks[state]}` }, state),
      element('span', {}, retry),
      element('small', {}, state !== 'ready' && state !== 'upstream' ? (lastFailure ?? '') : ''),
    ),
    element('td', { class: 'number' }, count(sessions)),
    element('td', { class: 'number' }, state === 'upstream' ? '–' : count(children.length)),
    element('td', { class: 'number' }, memory > 0 ? size(memory) : '–'),
    element('td', { class: 'target' }, element('code', {}, target)),
  );
}

/** @type {Record<Server['state'], string>} */
const looks = { ready: 'good', upstream: 'plain', 'backing off': 'warn', stopped: 'bad' };

/** @param {readonly Server[]} servers */
function showChildren(servers) {
  const table = tableOf('child-table');
  const all = servers.flatMap(({ name, children }) => children.map((child) => ({ ...child, server: name })));
  const shown = all.toSorted((a, b) => (b.rss ?? 0) - (a.rss ?? 0)).slice(0, mostChildren);
  const more = all.length - shown.length;
  const caption = 'Children: the processes of stdio servers';
  const text = more > 0 ? `${caption}; ${count(more)} more that need less memory` : caption;
  if (table.caption && table.caption.textContent !== text) table.caption.textContent = text;
  const body = table.tBodies[0];
  if (body === undefined) return;
  if (shown.length === 0)
    return keep(
      body,
      [''],
      () => 'none',
      () => nothing(5, 'None runs now; a session starts one.'),
    );
  keep(
    body,
    shown.toSorted((a, b) => a.server.localeCompare(b.server) || b.age - a.age),
    ({ pid }) => String(pid),
    ({ server, pid, owner, age, rss }) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, server),
        element('td', { class: 'number' }, pid),
        element('td', {}, owner === '' ? element('span', { class: 'soft' }, 'whoever comes next') : owner),
        element('td', { class: 'number' }, span(age)),
        element('td', { class: 'number' }, rss === undefined ? '–' : size(rss)),
      ),
  );
}

/** Days; an issuer's certificate is renewed long before. */
const soon = 7;

/** Whether somebody should look at it. @param {Certificate} certificate */
export function ailing({ problem, daysLeft }) {
  return problem !== undefined || daysLeft === undefined || daysLeft < soon;
}

/** @param {Status} status @param {readonly Sample[]} samples those of the last minutes */
export function showAttention({ servers, certificates }, samples) {
  /** @type {{ key: string, look: string, to: string, text: string }[]} */
  const found = [];
  for (const { name, state, lastFailure, retryIn } of servers) {
    if (state !== 'stopped' && state !== 'backing off') continue;
    const when = retryIn === undefined ? '' : `, next try in ${span(retryIn)}`;
    const why = lastFailure === undefined ? '' : `: ${lastFailure}`;
    found.push({ key: `server ${name}`, look: 'bad', to: '#servers', text: `${name} is ${state}${when}${why}` });
  }
  for (const certificate of certificates.filter(ailing)) {
    const { host, daysLeft, problem } = certificate;
    const left = daysLeft === undefined ? 'is not there' : daysLeft < 0 ? 'has expired' : `expires in ${daysLeft} days`;
    const why = problem === undefined ? '' : `: ${problem}`;
    found.push({
      key: `host ${host}`,
      look: 'warn',
      to: '#certificates',
      text: `The certificate of ${host} ${left}${why}`,
    });
  }
  const failed = samples.reduce((sum, sample) => sum + sample.failed, 0);
  if (failed > 0) {
    const text = `${failed === 1 ? 'One request' : `${count(failed)} requests`} failed with 5xx in the last 5 minutes`;
    found.push({ key: 'failed', look: 'bad', to: '#log', text });
  }
  if (found.length === 0)
    found.push({ key: 'well', look: 'good', to: '', text: 'All is well: nothing needs attention.' });
  keep(
    byId('attention'),
    found,
    ({ key }) => key,
    ({ look, to, text }) =>
      element('li', { class: look }, to === '' ? element('span', {}, text) : element('a', { href: to }, text)),
  );
}
