/** `cert`: the certificates of the running gateway. */

import type { CertificateRow } from '../gateway-status.ts';
import { askGateway, type GatewayOptions } from './admin-client.ts';
import { printCertificates } from './status.ts';
import { progress } from './terminal.ts';

type Options = GatewayOptions & { readonly json?: true };

export async function certList(options: Options): Promise<void> {
  print(await askGateway(options, 'GET', '/certificates'), options);
}

export async function certRenew(host: string | undefined, options: Options): Promise<void> {
  progress('Asking the issuer; this takes up to a minute.');
  print(await askGateway(options, 'POST', '/certificates/renew', host === undefined ? {} : { host }), options);
}

function print(answer: unknown, { json }: Options): void {
  const { certificates } = answer as { certificates: CertificateRow[] };
  if (json) process.stdout.write(`${JSON.stringify(certificates, null, 2)}\n`);
  else if (certificates.length === 0) process.stdout.write('There are none: tls is not configured.\n');
  else printCertificates(certificates);
}
