/** Certificates, and the keys that sign access tokens. */

/** @import { Certificate, Status } from '../state.ts' */
/** @import { KeyRow } from '../views.ts' */

import { actionButton } from './actions.js';
import { byId, element, keep, tableOf } from './element.js';
import { ailing, nothing } from './servers.js';
import { date } from './units.js';

/** @param {Status} status */
export function showCertificates({ certificates }) {
  const body = tableOf('certificate-table').tBodies[0];
  if (body === undefined) return;
  if (certificates.length === 0) {
    const text = 'tls is not configured here, so certificates are the business of the proxy in front.';
    return keep(
      body,
      [''],
      () => 'none',
      () => nothing(6, text),
    );
  }
  keep(body, certificates, ({ host }) => host, certificateRow);
}

/** @param {Certificate} certificate */
function certificateRow(certificate) {
  const { host, daysLeft, notAfter, renewAt, issuer, problem } = certificate;
  const expired = daysLeft === undefined || daysLeft < 0;
  const look = expired ? 'bad' : ailing(certificate) ? 'warn' : 'good';
  const left = daysLeft === undefined ? 'none' : expired ? 'expired' : `${daysLeft} days left`;
  return element(
    'tr',
    {},
    element('th', { scope: 'row' }, host),
    element('td', {}, element('span', { class: `mark ${look}` }, left), element('small', {}, problem ?? '')),
    element('td', {}, notAfter === undefined ? '–' : date(notAfter)),
    element('td', {}, renewAt === undefined ? '–' : date(renewAt)),
    element('td', {}, issuer ?? '–'),
    // Only what renews by itself has an issuer that can be asked.
    element(
      'td',
      { class: 'act' },
      (renewAt !== undefined || problem !== undefined) && actionButton('renew-certificate', 'Renew', host, host),
    ),
  );
}

/** @param {readonly KeyRow[]} keys */
export function showKeys(keys) {
  const body = tableOf('key-table').tBodies[0];
  if (body === undefined) return;
  keep(
    body,
    keys,
    ({ kid }) => kid,
    ({ kid, alg, signs, createdAt, neededUntil, retiredAt }) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, element('code', {}, kid)),
        element('td', {}, alg),
        element(
          'td',
          {},
          element('span', { class: `mark ${signs ? 'good' : 'plain'}` }, signs ? 'signs' : 'published'),
          ...(signs
            ? retiredAt === undefined
              ? []
              : [' until ', date(retiredAt * 1000)]
            : retiredAt === undefined
              ? [' signs next']
              : [' until ', date(neededUntil * 1000)]),
        ),
        element('td', {}, date(createdAt * 1000)),
      ),
  );
}

/** The buttons that are about the whole gateway. */
export function showTools() {
  byId('key-tools').append(
    actionButton('rotate-keys', 'Rotate the keys', ''),
    actionButton('reload', 'Reload the configuration', ''),
  );
}
