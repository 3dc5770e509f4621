/** Which certificate a handshake gets. Looked up by name; replaced while connections are open. */

import type { Certificate } from './certificate.ts';

/** Whose word goes first where several have a certificate for one name: the operator's own, then the issuer's. */
const precedence = ['files', 'acme', 'internal'] as const;

export type CertificateSource = (typeof precedence)[number];

export interface CertificateTable {
  /** Replaces what this source had before. Connections that are open keep what they shook hands with. */
  set(source: CertificateSource, certificates: readonly Certificate[]): void;
  /** By exact name, else by wildcard. Lower case, as SNI and Host are compared. */
  find(host: string): Certificate | undefined;
  of(source: CertificateSource): readonly Certificate[];
  all(): readonly Certificate[];
}

export function certificateTable(): CertificateTable {
  const sources = new Map<CertificateSource, readonly Certificate[]>();
  let byName = new Map<string, Certificate>();
  const of = (source: CertificateSource) => sources.get(source) ?? [];
  const all = () => precedence.flatMap(of);
  return {
    set(source, certificates) {
      sources.set(source, certificates);
      byName = new Map();
      const now = Date.now();
      for (const each of precedence) {
        for (const certificate of [...of(each)].sort((a, b) => b.notAfter - a.notAfter)) {
          for (const name of certificate.names) {
            const better = byName.get(name);
            // One that has ended gives way to any other.
            if (better === undefined || better.notAfter <= now) byName.set(name, certificate);
          }
        }
      }
    },
    find: (host) => byName.get(host) ?? byName.get(`*${host.slice(Math.max(0, host.indexOf('.')))}`),
    of,
    all,
  };
}
