/** Probes of this machine: ports, the state directory, certificate files. Nothing is changed. */

import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import type { GatewayConfig } from '../config.ts';
import { hostsOf } from '../plan.ts';
import { type Certificate, covers, readCertificate } from '../tls/certificate.ts';
import { type Finding, fault, ok, reasonOf, warning } from './finding.ts';

/** Days before its end from which a certificate that nobody renews is worth a word. */
const soon = 14;

export async function portsFree({ entrypoints }: GatewayConfig): Promise<Finding[]> {
  const addresses = Object.entries(entrypoints).map(([name, { listen }]) => ({ name, listen }));
  return Promise.all(addresses.map(({ name, listen }) => portFree(`entrypoints.${name}.listen ${listen}`, listen)));
}

function portFree(what: string, address: string): Promise<Finding> | Finding {
  const [, host, port] = /^(.*):(\d+)$/.exec(address) ?? [];
  if (port === undefined) return ok(what, 'not a port');
  const probe = createServer();
  return new Promise((settle) => {
    probe.once('error', ({ code, message }: NodeJS.ErrnoException) => {
      if (code === 'EADDRINUSE')
        settle(warning(what, 'another program listens there, perhaps this gateway; stop it or choose another port'));
      else if (code === 'EACCES')
        settle(
          fault(what, 'this user may not listen there; grant CAP_NET_BIND_SERVICE, or choose a port from 1024 on'),
        );
      else settle(fault(what, `${message}; choose an address that this machine has (see ip addr)`));
    });
    probe.listen({ port: Number(port), ...(host && { host: host.replace(/^\[|\]$/g, '') }) }, () =>
      probe.close(() => settle(ok(what, 'free'))),
    );
  });
}

/** Not by writing into it: a file that root made there would be in the way of the gateway's own user. */
export function stateDirWritable({ stateDir }: GatewayConfig): Finding[] {
  if (stateDir === undefined) return [];
  const what = `stateDir ${stateDir}`;
  let existing = stateDir;
  while (!existsSync(existing)) existing = dirname(existing);
  if (!statSync(existing).isDirectory()) return [fault(what, `${existing} is no directory; choose another place`)];
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
    const { mode } = statSync(existing);
    if (existing !== stateDir) return [ok(what, 'will be made at the first start')];
    if ((mode & 0o077) !== 0)
      return [warning(what, `others on this machine may look into it; close it with: chmod 700 ${stateDir}`)];
    return [ok(what, 'writable')];
  } catch (error) {
    return [fault(what, `${reasonOf(error).text}; give it to the user who runs the gateway, or choose another`)];
  }
}

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
  const findings = all.map(({ finding }) => finding);
  if (files.length === 0 || config.tls?.acme !== undefined || config.tls?.internal) return findings;
  const uncovered = hostsOf(config).filter(
    (host) => !all.some(({ certificate }) => certificate !== undefined && covers(certificate, host)),
  );
  return [
    ...findings,
    ...uncovered.map((host) => fault(`certificate of ${host}`, 'no file of tls.files covers it; add one, or tls.acme')),
  ];
}
