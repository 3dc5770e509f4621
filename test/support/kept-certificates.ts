/** Certificates of an issuer, looked after as the gateway does, without its listeners. */

import assert from 'node:assert/strict';
import { type Log, silent } from '../../src/log.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import type { Store } from '../../src/store/store.ts';
import { type Certificates, certificates } from '../../src/tls/acme/certificates.ts';
import { type Challenges, challenges } from '../../src/tls/acme/challenges.ts';
import type { Certificate } from '../../src/tls/certificate.ts';
import { tlsConfig } from '../../src/tls/config.ts';

export interface Kept extends Certificates {
  readonly served: readonly Certificate[];
  readonly challenges: Challenges;
}

export interface KeptOptions {
  readonly hosts: readonly string[];
  /** As in `tls.acme`. */
  readonly acme?: object;
  readonly store?: Store;
  readonly log?: Log;
  readonly covered?: (host: string) => boolean;
}

export async function keepCertificates(
  { directory, caFile }: { readonly directory: string; readonly caFile: string },
  { hosts, acme = {}, store = memoryStore(), log = silent, covered = () => false }: KeptOptions,
): Promise<Kept> {
  const config = tlsConfig.parse({ acme: { directory, caFile, ...acme } }).acme;
  assert.ok(config);
  let served: readonly Certificate[] = [];
  const proofs = challenges(config, store, log);
  const changed = (all: readonly Certificate[]) => {
    served = all;
  };
  const kept = await certificates(config, { hosts, store, log, challenges: proofs, covered, changed });
  return {
    ...kept,
    challenges: proofs,
    get served() {
      return served;
    },
  };
}
