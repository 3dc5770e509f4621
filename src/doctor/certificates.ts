/** What becomes of TLS: certificates in files, those that the running gateway has from its issuer, and hosts without any. */

import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type GatewayConfig, isLoopback } from '../config.ts';
import type { CertificateRow } from '../gateway-status.ts';
import { hostsOf } from '../hosts.ts';
import { type Certificate, covers, readCertificate } from '../tls/certificate.ts';
import { orderedHosts } from '../tls/config.ts';
import { type Finding, fault, ok, reasonOf, warning } from './finding.ts';

/** Days before its end from which a certificate that nobody renews is worth a word. */
const soon = 14;

export function certificateFiles(config: GatewayConfig): Finding[] {
  const files = config.tls?.files ?? [];
  const all = files.map(({ cert, key }, index): { finding: Finding; certificate?: Certificate } => {
    const what = `tls.files[${index}] ${cert}`;
    try {
      const certificate = readCertificate(readFileSync(cert, 'utf8'), readFileSync(key, 'utf8'));
      const days = Math.floor((certificate.notAfter - Date.now()) / 86_400_000);
      const until = new Date(certificate.notAfter).toISOString().slice(0, 10);
      const finding =
        certificate.notBefore > Date.now()
          ? fault(what, `is good only from ${new Date(certificate.notBefore).toISOString()} on; set the clock right`)
          : days < 0
            ? fault(what, `expired on ${until}; put a new one in its place, it is reread by itself`)
            : days < soon
              ? warning(what, `expires in ${days} days, on ${until}; put a new one in its place`)
              : ok(what, `good until ${until}, for ${certificate.names.join(', ')}`);
      return { finding, certificate };
    } catch (error) {
      const finding = fault(what, `${reasonOf(error).text}; name a PEM certificate and its own key`);
      return { finding };
    }
  });
  return [
    ...all.map(({ finding }) => finding),
    ...uncovered(
      config,
      all.flatMap(({ certificate }) => certificate ?? []),
    ),
  ];
}

/** Hosts that a client could not shake hands for. */
function uncovered(config: GatewayConfig, own: readonly Certificate[]): Finding[] {
  const { tls } = config;
  if (tls === undefined || tls.internal) return [];
  const ordered = tls.acme === undefined ? [] : orderedHosts(tls.acme, hostsOf(config));
  const isCovered = (host: string) =>
    own.some((certificate) => covers(certificate, host)) ||
    covers({ names: ordered }, host) ||
    // Some of a pattern's hosts by name: more the operator did not want.
    (host.startsWith('*.') && ordered.some((name) => name.endsWith(host.slice(1))));
  return hostsOf(config)
    .filter((host) => !isCovered(host))
    .map((host) => fault(`certificate of ${host}`, `${whyNone(config, host)}`));
}

function whyNone({ tls }: GatewayConfig, host: string): string {
  if (tls?.acme === undefined) return 'no file of tls.files covers it; add one, or tls.acme';
  if (tls.acme.domains !== undefined) return 'tls.acme.domains leaves it out; add it there, or a file to tls.files';
  if (host.startsWith('*.'))
    return 'issuers give wildcards by dns-01 alone; set tls.acme.challenge and dnsCommand, or name the hosts in tls.acme.domains';
  return isLoopback(host) || isIP(host.replace(/^\[|\]$/g, '')) !== 0
    ? 'no issuer certifies it; reach the gateway by a name, or set tls.internal'
    : 'nothing covers it; add a file to tls.files';
}

/** Of what the running gateway says of itself, the certificates that it orders. */
export function certificatesInService(rows: readonly CertificateRow[]): Finding[] {
  return rows.flatMap(({ host, notAfter, daysLeft, renewAt, problem, nextTry }): Finding[] => {
    const what = `certificate of ${host}`;
    const again = nextTry === undefined ? '' : `; next try ${nextTry}`;
    if (notAfter === undefined || daysLeft === undefined)
      return [problem === undefined ? warning(what, 'is being ordered') : fault(what, `${problem}${again}`)];
    const until = `${daysLeft} days left, until ${notAfter.slice(0, 10)}`;
    if (problem !== undefined)
      return [(daysLeft < 0 ? fault : warning)(what, `${until}, and not renewed: ${problem}${again}`)];
    return renewAt === undefined ? [] : [ok(what, `${until}, renewed from ${renewAt.slice(0, 10)} on`)];
  });
}
