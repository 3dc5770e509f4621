/** The console's page: listens to the gateway, and shows what it says. */

/** @import { Beginning, LogLine, Sample, State } from '../state.ts' */
/** @import { ClientRow, GrantRow, TokenRow } from '../views.ts' */

import { listenForActions } from './actions.js';
import { byId, element, keep } from './element.js';
import { showCertificates, showKeys, showTools } from './keeping.js';
import { logSection } from './log.js';
import { showClients, showTokens, showUsers } from './people.js';
import { plotSection } from './plots.js';
import { showAttention, showServers } from './servers.js';
import { showTimeline } from './timeline.js';
import { count, rate, size, span, wait } from './units.js';

const connection = byId('connection');
const filter = /** @type {HTMLInputElement} */ (byId('client-filter'));
const log = logSection();
const plots = plotSection(byId('plots'));

let csrf = '';
let interval = 5;
/** @type {Sample[]} */
let samples = [];
/** @type {State | undefined} */
let state;
/** @type {readonly string[]} */
let views = [];
/** @type {{ clients: readonly ClientRow[], grants: readonly GrantRow[], tokens: readonly TokenRow[] }} */
let people = { clients: [], grants: [], tokens: [] };

listenForActions(
  () => csrf,
  () => void loadAll(),
);
showTools();
filter.addEventListener('input', showPeople);
new ResizeObserver(() => plots.draw(samples, interval)).observe(byId('plots'));
listen();

function listen() {
  const events = new EventSource('/console/live');
  /** @param {string} name @param {(data: any) => void} hear */
  const on = (name, hear) => events.addEventListener(name, ({ data }) => hear(JSON.parse(data)));
  on('beginning', begin);
  on('sample', (/** @type {Sample} */ sample) => {
    samples = [...samples, sample].slice(-3600 / interval);
    plots.draw(samples, interval);
  });
  on('state', show);
  on('lines', (/** @type {LogLine[]} */ lines) => log.add(lines));
  events.addEventListener('error', () => {
    if (events.readyState === EventSource.CONNECTING) tell('lost', 'Connection lost; trying again');
    else void refused();
  });
}

/** @param {Beginning} told */
function begin(told) {
  ({ csrf, interval, views } = told);
  samples = [...told.samples];
  byId('administrator').textContent = told.administrator;
  plots.draw(samples, interval);
  log.begin(told.lines);
  state = undefined;
}

/** Why the stream of events was refused: an EventSource does not say, but any other request meets the same check. */
async function refused() {
  const response = await fetch('/console/keys').catch(() => undefined);
  if (response?.status === 401)
    tell('ended', 'Your login has ended. ', element('a', { href: '/console' }, 'Log in again'));
  else if (response?.status === 403) tell('ended', 'You are no administrator any more');
  else {
    tell('lost', 'The gateway takes no more consoles now; trying again');
    setTimeout(listen, 10_000);
  }
}

/** @param {'live' | 'lost' | 'ended'} look @param {...(string | Node)} what */
function tell(look, ...what) {
  if (connection.className === `connection ${look}` && look === 'live') return;
  connection.className = `connection ${look}`;
  connection.replaceChildren(...what);
}

/** @param {State} told */
function show(told) {
  const changed = state === undefined || told.changes !== state.changes;
  state = told;
  tell('live', 'live');
  const { status, now } = told;
  byId('address').textContent = status.publicUrl;
  const recent = samples.slice(-300 / interval);
  showAttention(status, recent);
  showNumbers(told, now);
  showServers(status);
  showCertificates(status);
  if (changed) loadSoon();
}

/** @param {State} told @param {number} now */
function showNumbers({ status }, now) {
  const recent = samples.slice(-60 / interval);
  const seconds = recent.length * interval;
  /** @param {(sample: Sample) => number} value */
  const sum = (value) => recent.reduce((all, sample) => all + value(sample), 0);
  const slow = recent.flatMap(({ latency }) => (latency === undefined ? [] : [latency.p95]));
  const children = status.servers.flatMap((server) => server.children);
  const connections = status.entrypoints.reduce((all, entrypoint) => all + entrypoint.connections, 0);
  /** @type {[string, string, string][]} */
  const rows = [
    [
      'Requests',
      seconds === 0 ? '–' : rate(sum(({ requests }) => requests) / seconds),
      `${count(status.requests.total)} since the start`,
    ],
    ['Latency, p95', slow.length === 0 ? '–' : wait(Math.max(...slow)), 'in the last minute'],
    ['Refused, 4xx', count(sum(({ refused }) => refused)), 'in the last minute'],
    ['Failed, 5xx', count(sum(({ failed }) => failed)), 'in the last minute'],
    ['Sessions', count(status.sessions), `${count(connections)} connections`],
    ['Children', count(children.length), size(children.reduce((all, { rss = 0 }) => all + rss, 0))],
    ['Memory', status.rss === undefined ? '–' : size(status.rss), `pid ${status.pid}`],
    ['Up', span((now - Date.parse(status.startedAt)) / 1000), `${status.version}, Node ${status.node}`],
  ];
  keep(
    byId('numbers'),
    rows,
    ([name]) => name,
    ([name, value, more]) =>
      element('div', {}, element('dt', {}, name), element('dd', {}, value), element('dd', { class: 'soft' }, more)),
  );
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let loading;
let loaded = 0;
/** Milliseconds; what needs the store is not asked for with each token that is issued. */
const pause = 5000;
function loadSoon() {
  loading ??= setTimeout(() => void loadAll(), Math.max(300, loaded + pause - Date.now()));
}
// Other gateways on the same store change it too.
setInterval(() => void loadAll(), 60_000);

async function loadAll() {
  clearTimeout(loading);
  loading = undefined;
  loaded = Date.now();
  if (document.hidden) return;
  const [clients, grants, tokens, users, keys, timeline] = await Promise.all(
    ['clients', 'grants', 'tokens', 'users', 'keys', 'timeline'].map(load),
  );
  people = { clients: clients ?? people.clients, grants: grants ?? people.grants, tokens: tokens ?? people.tokens };
  showPeople();
  if (users) showUsers(users);
  if (keys) showKeys(keys);
  if (timeline) showTimeline(timeline, (id) => people.clients.find((client) => client.id === id)?.metadata.client_name);
}
document.addEventListener('visibilitychange', () => void loadAll());

/** Undefined where there is no such view, or it cannot be had now. @param {string} view @returns {Promise<any>} */
async function load(view) {
  if (!views.includes(view)) return undefined;
  const response = await fetch(`/console/${view}`).catch(() => undefined);
  return response?.ok ? (await response.json())[view] : undefined;
}

function showPeople() {
  const names = new Map(state?.status.servers.map(({ name, url }) => [url, name]));
  /** @param {string} resource */
  const nameOf = (resource) => names.get(resource) ?? resource;
  showClients(people.clients, people.grants, nameOf, filter.value);
  showTokens(people.tokens, nameOf);
}
