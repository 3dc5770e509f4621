/** What Traefik's acme.json holds, taken over, so that a host which moves here needs no new order. */

import { createPrivateKey } from 'node:crypto';
import { type Collection, collection, type Store } from '../../store/store.ts';
import { type Certificate, readCertificate } from '../certificate.ts';
import { certificateIn, certificateRecords, untried } from './certificate-record.ts';
import type { Account } from './client.ts';
import { accountId } from './issuers.ts';

export interface Imported {
  readonly hosts: readonly string[];
  /** Addresses of the accounts, or what issuers call them. */
  readonly accounts: readonly string[];
  /** One sentence for each entry that could not be used. */
  readonly left: readonly string[];
}

interface Resolver {
  readonly Account?: {
    readonly Email?: unknown;
    readonly Registration?: { readonly uri?: unknown } | null;
    readonly PrivateKey?: unknown;
  } | null;
  readonly Certificates?: readonly { readonly certificate?: unknown; readonly key?: unknown }[] | null;
}

/** Issuers whose directory the address of an account tells. */
const directories: Readonly<Record<string, string>> = {
  'acme-v02.api.letsencrypt.org': 'https://acme-v02.api.letsencrypt.org/directory',
  'acme-staging-v02.api.letsencrypt.org': 'https://acme-staging-v02.api.letsencrypt.org/directory',
};

/** Throws one sentence where the text is no acme.json. A certificate that lasts longer than the one imported stays. */
export async function importTraefik(text: string, store: Store, now: number): Promise<Imported> {
  const records = certificateRecords(store);
  const accounts: Collection<Account> = collection(store, 'acme-account');
  const hosts: string[] = [];
  const known: string[] = [];
  const left: string[] = [];
  for (const [name, { Account: account, Certificates: certificates }] of Object.entries(resolvers(text))) {
    const url = account?.Registration?.uri;
    const directory = typeof url === 'string' && URL.canParse(url) ? directories[new URL(url).host] : undefined;
    if (typeof url === 'string' && directory === undefined) left.push(`the account of ${name} is of an unknown issuer`);
    if (typeof url === 'string' && directory !== undefined) {
      const key = accountKey(account?.PrivateKey);
      const email = typeof account?.Email === 'string' && account.Email !== '' ? account.Email : undefined;
      if (key === undefined) left.push(`the key of the account of ${name} cannot be read`);
      else if (await accounts.set(accountId(directory, email), { key, url }, { only: 'absent' })) known.push(url);
    }
    for (const [index, entry] of (certificates ?? []).entries()) {
      const certificate = certificateOf(entry);
      if (typeof certificate === 'string' || certificate.notAfter <= now) {
        const reason = typeof certificate === 'string' ? certificate : 'it has run out';
        left.push(`certificate ${index + 1} of ${name} is left out: ${reason}`);
        continue;
      }
      const { chain, key } = certificate;
      for (const host of certificate.names) {
        const former = await records.get(host);
        if ((certificateIn(former ?? untried)?.notAfter ?? 0) >= certificate.notAfter) continue;
        await records.set(host, { ...untried, chain, key, ...(directory !== undefined && { directory }) });
        hosts.push(host);
      }
    }
  }
  return { hosts, accounts: known, left };
}

function resolvers(text: string): Record<string, Resolver> {
  const fault = 'is no acme.json of Traefik: it maps the names of resolvers to Account and Certificates';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(fault, { cause: error });
  }
  const isRecord = (each: unknown) => typeof each === 'object' && each !== null && !Array.isArray(each);
  const sound = ({ Account: account, Certificates: list }: Resolver) =>
    (account !== undefined || list !== undefined) && (list == null || (Array.isArray(list) && list.every(isRecord)));
  if (!isRecord(value) || !Object.values(value as object).every((each) => isRecord(each) && sound(each as Resolver)))
    throw new Error(fault);
  return value as Record<string, Resolver>;
}

/** A sentence where it cannot be used. PEM, base64 once more. */
function certificateOf(entry: { certificate?: unknown; key?: unknown }): Certificate | string {
  if (typeof entry.certificate !== 'string' || typeof entry.key !== 'string') return 'it has no certificate or no key';
  try {
    const [chain, key] = [entry.certificate, entry.key].map((part) => Buffer.from(part, 'base64').toString());
    return readCertificate(chain ?? '', key ?? '');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** DER in base64: PKCS #1 for RSA, SEC 1 for elliptic curves. As PEM of PKCS #8. */
function accountKey(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  for (const type of ['pkcs1', 'sec1', 'pkcs8'] as const) {
    try {
      const key = createPrivateKey({ key: Buffer.from(value, 'base64'), format: 'der', type });
      return key.export({ format: 'pem', type: 'pkcs8' }).toString();
    } catch {
      // Of another kind then.
    }
  }
  return undefined;
}
