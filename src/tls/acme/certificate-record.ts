/** What the store has of one host's certificate. Times in milliseconds since the epoch. */

import { type Collection, collection, type Store } from '../../store/store.ts';
import { type Certificate, readCertificate } from '../certificate.ts';
import type { Advice } from './renewal.ts';

export interface CertificateRecord {
  readonly chain?: string;
  readonly key?: string;
  /** Of the issuer it came from, which is asked when to renew it. */
  readonly directory?: string;
  readonly advice?: Advice;
  /** What a gateway that ended in the middle left to be gone on with. */
  readonly order?: BegunOrder;
  /** In a row, since the last success. */
  readonly failures: number;
  readonly nextTry: number;
  readonly problem?: string;
  /** Hash of the configuration that failed, where the issuer named no time to stay away. */
  readonly failedWith?: string;
}

/** Known to the issuer, so that asking again would be asking twice. */
export interface BegunOrder {
  readonly directory: string;
  readonly url: string;
  /** PEM: of the certificate that is to come. */
  readonly key: string;
  readonly begunAt: number;
}

export const untried: CertificateRecord = { failures: 0, nextTry: 0 };

/** Milliseconds that a record of a host which nobody serves any more is kept after its certificate has ended. */
const keptAfterwards = 90 * 86_400_000;

export function certificateRecords(store: Store): Pick<Collection<CertificateRecord>, 'get' | 'set'> {
  const records: Collection<CertificateRecord> = collection(store, 'certificate');
  return {
    get: records.get,
    set: (host, record) => {
      const end = Math.max(certificateIn(record)?.notAfter ?? 0, Date.now()) + keptAfterwards;
      return records.set(host, record, { ttl: (end - Date.now()) / 1000 });
    },
  };
}

/** Undefined where there is none, or none that can be read. */
export function certificateIn({ chain, key }: CertificateRecord): Certificate | undefined {
  if (chain === undefined || key === undefined) return undefined;
  try {
    return readCertificate(chain, key);
  } catch {
    return undefined;
  }
}
