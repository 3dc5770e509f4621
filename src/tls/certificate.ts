/** A certificate chain with its key, checked once and ready for handshakes. */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';

export interface Certificate {
  /** DNS names and IP addresses it stands for, lower case; a name may begin with `*.`. */
  readonly names: readonly string[];
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  readonly issuer: string;
  readonly serial: string;
  /** PEM, leaf first. */
  readonly chain: string;
  /** PEM. */
  readonly key: string;
  readonly context: SecureContext;
}

/** Throws one sentence that says what is wrong: no PEM, no names, or a key that belongs to another certificate. */
export function readCertificate(chain: string, key: string): Certificate {
  const leaf = parsed('certificate', () => new X509Certificate(chain));
  const privateKey = parsed('key', () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(privateKey)) throw new Error('the key belongs to another certificate');
  const names = namesOf(leaf);
  // Undefined where the name is empty, which a self-signed certificate may have.
  const issuer = (leaf.issuer as string | undefined) ?? '';
  if (names.length === 0) throw new Error('the certificate names no host (it has no subjectAltName)');
  return {
    names,
    notBefore: leaf.validFromDate.getTime(),
    notAfter: leaf.validToDate.getTime(),
    issuer: /(?:^|\n)CN=(.*)/.exec(issuer)?.[1] ?? issuer.replaceAll('\n', ', '),
    serial: leaf.serialNumber,
    chain,
    key,
    context: createSecureContext({ cert: chain, key }),
  };
}

/** RFC 9525 §6.3: a wildcard stands for exactly one label. */
export function covers(certificate: Pick<Certificate, 'names'>, host: string): boolean {
  return certificate.names.some(
    (name) => name === host || (name.startsWith('*.') && name.slice(1) === host.slice(host.indexOf('.'))),
  );
}

/** RFC 9525 §2: what a certificate stands for is in its subjectAltName, never in its common name. */
function namesOf(leaf: X509Certificate): string[] {
  const entries = leaf.subjectAltName?.split(', ') ?? [];
  return entries.flatMap((entry) => {
    const [, name] = /^(?:DNS|IP Address):(.+)$/.exec(entry) ?? [];
    if (name === undefined) return [];
    // OpenSSL writes out the zeros that RFC 5952 §4.2 leaves out.
    return isIPv6(name) ? new URL(`https://[${name}]`).hostname.slice(1, -1) : name.toLowerCase();
  });
}

function parsed<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(`the ${what} is no PEM that can be read`, { cause: error });
  }
}
