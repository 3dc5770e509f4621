/** Clients and who let them in, personal tokens, and the people with a password here. */

/** @import { ClientRow, GrantRow, TokenRow, UserRow } from '../views.ts' */

import { actionButton } from './actions.js';
import { byId, element, keep, tableOf } from './element.js';
import { nothing } from './servers.js';
import { count, date } from './units.js';

/** Clients; beyond, the filter finds them. */
const mostClients = 100;

/**
 * @typedef {object} Access
 * @property {string} id of the client
 * @property {string} name
 * @property {ClientRow['kind']} kind
 * @property {string} returnsTo
 * @property {number | undefined} since seconds since the epoch
 * @property {readonly GrantRow[]} grants
 */

/**
 * @param {readonly ClientRow[]} clients
 * @param {readonly GrantRow[]} grants
 * @param {(resource: string) => string} nameOf
 * @param {string} filter
 */
export function showClients(clients, grants, nameOf, filter) {
  const all = accesses(clients, grants);
  const words = filter.toLowerCase().split(/\s+/);
  const found = all.filter((access) => {
    const text = searched(access, nameOf);
    return words.every((word) => text.includes(word));
  });
  const shown = found.slice(0, mostClients);
  byId('client-count').textContent = summary(all.length, found.length, shown.length, grants.length);
  const table = tableOf('client-table');
  if (shown.length === 0) {
    const text = all.length === 0 ? 'No client has come yet.' : 'No client is like that.';
    keep(
      table,
      [text],
      (key) => key,
      () => element('tbody', {}, nothing(5, text)),
    );
  } else
    keep(
      table,
      shown,
      ({ id }) => id,
      (access) => clientRows(access, nameOf),
    );
}

/** @param {number} all @param {number} found @param {number} shown @param {number} grants */
function summary(all, found, shown, grants) {
  const total = `${all === 1 ? 'one client' : `${count(all)} clients`}, ${grants === 1 ? 'one grant' : `${count(grants)} grants`}`;
  if (shown < found) return `${total}; the ${count(shown)} used last are shown, the filter finds the others`;
  return found < all ? `${count(found)} of ${total}` : total;
}

/**
 * Each client with its grants, also one that is never registered because it names itself by a document; used last first.
 * @param {readonly ClientRow[]} clients
 * @param {readonly GrantRow[]} grants
 * @returns {Access[]}
 */
function accesses(clients, grants) {
  const byClient = Map.groupBy(grants, ({ clientId }) => clientId);
  const registered = new Set(clients.map(({ id }) => id));
  const documents = [...byClient.keys()].filter((id) => !registered.has(id));
  /** @param {Access} access */
  const lastUse = ({ since = 0, grants }) => Math.max(since, ...grants.map(({ usedAt = 0 }) => usedAt));
  return [
    ...clients.map(({ id, kind, metadata, issuedAt }) => ({
      id,
      kind,
      name: metadata.client_name ?? '',
      returnsTo: metadata.redirect_uris.join(', '),
      since: issuedAt,
      grants: byClient.get(id) ?? [],
    })),
    ...documents.map((id) => ({
      id,
      kind: /** @type {const} */ ('metadata-document'),
      name: URL.canParse(id) ? new URL(id).host : id,
      returnsTo: '',
      since: undefined,
      grants: byClient.get(id) ?? [],
    })),
  ].sort((a, b) => lastUse(b) - lastUse(a));
}

/** @param {Access} access @param {(resource: string) => string} nameOf */
function searched({ id, name, kind, returnsTo, grants }, nameOf) {
  const people = grants.flatMap(({ username, subject, resources }) => [username, subject, ...resources.map(nameOf)]);
  return [id, name, kind, returnsTo, ...people].join(' ').toLowerCase();
}

/** @param {Access} access @param {(resource: string) => string} nameOf */
function clientRows({ id, name, kind, returnsTo, since, grants }, nameOf) {
  const called = name === '' ? 'an unnamed client' : name;
  return element(
    'tbody',
    {},
    element(
      'tr',
      { class: 'group' },
      element(
        'th',
        { scope: 'rowgroup', colspan: 2 },
        element('bdi', { class: 'name' }, called),
        element('span', { class: 'mark plain beside' }, kind === 'metadata-document' ? 'by document' : kind),
        element('small', {}, id, returnsTo === '' ? '' : ` · returns to ${returnsTo}`),
      ),
      element('td', {}, since === undefined ? '' : date(since * 1000)),
      element('td', {}, grants.length === 0 ? element('span', { class: 'soft' }, 'nobody let it in') : ''),
      element('td', { class: 'act' }, kind === 'registered' && actionButton('delete-client', 'Delete', called, id)),
    ),
    ...grants.map((grant) => grantRow(grant, called, nameOf)),
  );
}

/** @param {GrantRow} grant @param {string} client @param {(resource: string) => string} nameOf */
function grantRow({ id, username, subject, resources, scope, createdAt, usedAt }, client, nameOf) {
  return element(
    'tr',
    {},
    element('td', { class: 'inner' }, element('bdi', {}, username), element('small', {}, subject)),
    element('td', {}, element('span', {}, resources.map(nameOf).join(', ')), element('small', {}, scope.join(' '))),
    element('td', {}, date(createdAt * 1000)),
    element('td', {}, usedAt === undefined ? '–' : date(usedAt * 1000)),
    element('td', { class: 'act' }, actionButton('revoke-grant', 'Revoke', `${client}, let in by ${username}`, id)),
  );
}

/** @param {readonly TokenRow[]} tokens @param {(resource: string) => string} nameOf */
export function showTokens(tokens, nameOf) {
  const body = tableOf('token-table').tBodies[0];
  if (body === undefined) return;
  if (tokens.length === 0)
    return keep(
      body,
      [''],
      () => 'none',
      () => nothing(5, 'There is none.'),
    );
  keep(
    body,
    tokens,
    ({ id }) => id,
    ({ id, name, username, subject, resources, expiresAt }) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, element('bdi', {}, name)),
        element('td', {}, element('bdi', {}, username), element('small', {}, subject)),
        element('td', {}, resources.map(nameOf).join(', ')),
        element('td', {}, date(expiresAt * 1000)),
        element('td', { class: 'act' }, actionButton('revoke-token', 'End', `${name}, of ${username}`, id)),
      ),
  );
}

/** @param {readonly UserRow[]} users */
export function showUsers(users) {
  const body = tableOf('user-table').tBodies[0];
  if (body === undefined) return;
  if (users.length === 0)
    return keep(
      body,
      [''],
      () => 'none',
      () => nothing(3, 'There is none.'),
    );
  keep(
    body,
    users,
    ({ name }) => name,
    ({ name, from }) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, element('bdi', {}, name)),
        element('td', {}, from === 'store' ? 'user add' : from),
        element('td', { class: 'act' }, from === 'store' && actionButton('remove-user', 'Remove', name, name)),
      ),
  );
}
