/** Which certificate a handshake gets. Looked up by name; replaced while connections are open. */

import type { Certificate } from './certificate.ts';

export interface CertificateTable {
  /** Replaces what this source had before. Connections that are open keep what they shook hands with. */
  set(source: string, certificates: readonly Certificate[]): void;
  /** By exact name, else by wildcard; of several the one that lasts longest. Lower case, as SNI and Host are compared. */
  find(host: string): Certificate | undefined;
  all(): readonly Certificate[];
}

export function certificateTable(): CertificateTable {
  const sources = new Map<string, readonly Certificate[]>();
  let byName = new Map<string, Certificate>();
  const all = () => [...sources.values()].flat();
  return {
    set(source, certificates) {
      sources.set(source, certificates);
      byName = new Map();
      for (const certificate of all().sort((a, b) => a.notAfter - b.notAfter)) {
        for (const name of certificate.names) byName.set(name, certificate);
      }
    },
    find: (host) => byName.get(host) ?? byName.get(`*${host.slice(Math.max(0, host.indexOf('.')))}`),
    all,
  };
}
