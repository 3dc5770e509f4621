/** The one place that knows acme-client: its account, its process-wide transport. */

import type { Client } from 'acme-client';
import type { IssuerConfig } from '../config.ts';
import { AcmeProblem } from './problem.ts';
import { acmeRequest } from './transport.ts';

export type { Authorization, Client, Order } from 'acme-client';

export interface Account {
  /** PEM */
  readonly key: string;
  readonly url: string;
}

export interface AccountBook {
  load(): Promise<Account | undefined>;
  /** In the place of `former`; false where there was to be none and another gateway was first. */
  save(account: Account, former: Account | undefined): Promise<boolean>;
}

/** Read when something is ordered: it is the largest library of all, and a certificate lasts for weeks. */
async function library() {
  const { default: acme } = await import('acme-client');
  // It sleeps for any Retry-After, has no timeout and hides what went wrong; its transport is ours instead.
  acme.axios.defaults.adapter = async (config) => {
    const { url = '', method = 'get', data } = config;
    const headers = Object.fromEntries(
      Object.entries(config.headers.toJSON()).map(([name, value]) => [name, String(value)]),
    );
    const body = typeof data === 'string' ? { body: data } : {};
    const answer = await acmeRequest(url, { method: method.toUpperCase(), headers, ...body });
    return { data: answer.text, status: answer.status, statusText: '', headers: answer.headers, config };
  };
  return acme;
}

/** RFC 8555 §7.3: with its account, made where there is none and made anew where the issuer has forgotten it. */
export async function issuerClient(
  issuer: IssuerConfig & { email: string | undefined },
  book: AccountBook,
): Promise<Client> {
  const acme = await library();
  const contact = issuer.email === undefined ? {} : { contact: [`mailto:${issuer.email}`] };
  const known = await book.load();
  const options = {
    directoryUrl: issuer.directory,
    ...(issuer.eab && { externalAccountBinding: issuer.eab }),
  };
  if (known !== undefined) {
    const client = new acme.Client({ ...options, accountKey: known.key, accountUrl: known.url });
    try {
      // Says at once whether the issuer still knows the account; repeating the contact changes nothing.
      await client.updateAccount(contact);
      return client;
    } catch (error) {
      if (!isForgotten(error)) throw error;
    }
  }
  const key = (await acme.crypto.createPrivateEcdsaKey()).toString();
  const client = new acme.Client({ ...options, accountKey: key });
  await client.createAccount({ termsOfServiceAgreed: true, ...contact });
  const kept = await book.save({ key, url: client.getAccountUrl() }, known);
  return kept ? client : issuerClient(issuer, book);
}

/** RFC 8555 §7.3.1, §7.3.6: the issuer lost the account, or it was deactivated. */
function isForgotten(error: unknown): boolean {
  return error instanceof AcmeProblem && ['accountDoesNotExist', 'unauthorized', 'malformed'].includes(error.type);
}

/** PEM. */
export async function certificateKey(keyType: 'ec256' | 'rsa2048'): Promise<string> {
  const { crypto } = await library();
  const made = keyType === 'ec256' ? crypto.createPrivateEcdsaKey() : crypto.createPrivateRsaKey(2048);
  return (await made).toString();
}

/** RFC 8555 §7.4: the request to certify this key for these names. */
export async function certificateRequest(names: readonly string[], key: string): Promise<Buffer> {
  const { crypto } = await library();
  const [, csr] = await crypto.createCsr({ altNames: [...names] }, key);
  return csr;
}

/** RFC 8737 §3: the certificate that proves a name in a handshake. PEM. */
export async function alpnCertificate(host: string, keyAuthorization: string): Promise<{ key: string; cert: string }> {
  const { crypto } = await library();
  const authorization = { identifier: { type: 'dns', value: host } } as Parameters<
    typeof crypto.createAlpnCertificate
  >[0];
  const [key, cert] = await crypto.createAlpnCertificate(
    authorization,
    keyAuthorization,
    await crypto.createPrivateEcdsaKey(),
  );
  return { key: key.toString(), cert: cert.toString() };
}
