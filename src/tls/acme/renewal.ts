/** When a certificate is to be renewed: what its issuer advises, else its age. RFC 9773. */

import type { Certificate } from '../certificate.ts';
import { retryAfterOf } from './problem.ts';
import { acmeRequest } from './transport.ts';

/** An issuer's advice, kept beside the certificate so that a restart neither asks nor draws again. Milliseconds since the epoch. */
export interface Advice {
  /** RFC 9773 §4.2: drawn once from the window the issuer suggests. */
  readonly renewAt?: number;
  readonly start?: number;
  readonly end?: number;
  /** Where the issuer says why, to a person. */
  readonly explanation?: string;
  readonly askAgainAt: number;
}

/** RFC 9773 §4.1: the key identifier of the issuer and the serial number, each base64url. Undefined where there is none. */
export async function renewalId(chain: string): Promise<string | undefined> {
  const { AuthorityKeyIdentifierExtension, X509Certificate } = await import('@peculiar/x509');
  const leaf = new X509Certificate(chain.slice(0, chain.indexOf('-----END CERTIFICATE-----') + 26));
  const keyId = leaf.getExtension(AuthorityKeyIdentifierExtension)?.keyId;
  if (keyId === undefined) return undefined;
  // RFC 9773 §4.1: the octets of the DER integer, with the zero that keeps a high one positive.
  const serial = leaf.serialNumber.length % 2 === 0 ? leaf.serialNumber : `0${leaf.serialNumber}`;
  const octets = Buffer.from(Number.parseInt(serial.slice(0, 2), 16) > 0x7f ? `00${serial}` : serial, 'hex');
  return `${Buffer.from(keyId, 'hex').toString('base64url')}.${octets.toString('base64url')}`;
}

/** Milliseconds; RFC 9773 §4.3: asked again when the issuer says, within these. */
const soonest = 60_000;
const latest = 86_400_000;
/** Seconds. */
const usual = 6 * 3600;

/** Undefined where the issuer gives no advice. Throws `AcmeProblem` where it cannot be asked. */
export async function adviceFor(
  directory: string,
  chain: string,
  former: Advice | undefined,
  now: number,
): Promise<Advice | undefined> {
  const links: unknown = JSON.parse((await acmeRequest(directory)).text);
  const { renewalInfo } = links as { renewalInfo?: unknown };
  const id = typeof renewalInfo === 'string' ? await renewalId(chain) : undefined;
  if (id === undefined) return undefined;
  const answer = await acmeRequest(`${String(renewalInfo).replace(/\/$/, '')}/${id}`);
  const retryAfter = (retryAfterOf(answer.headers['retry-after']) ?? usual) * 1000;
  const askAgainAt = now + Math.min(Math.max(retryAfter, soonest), latest);
  const { suggestedWindow, explanationURL } = JSON.parse(answer.text) as {
    suggestedWindow?: { start?: unknown; end?: unknown };
    explanationURL?: unknown;
  };
  const start = Date.parse(String(suggestedWindow?.start));
  const end = Date.parse(String(suggestedWindow?.end));
  // RFC 9773 §4.2: a window that makes no sense is as good as none.
  if (!(end > start)) return { askAgainAt };
  const same = former?.start === start && former.end === end;
  return {
    renewAt: same && former.renewAt ? former.renewAt : start + Math.random() * (end - start),
    start,
    end,
    askAgainAt,
    ...(typeof explanationURL === 'string' && { explanation: explanationURL }),
  };
}

/** Milliseconds since the epoch. `renewBefore` in seconds wins over the issuer's advice; near the end nothing does. */
export function renewalTime(
  { notBefore, notAfter }: Pick<Certificate, 'notBefore' | 'notAfter'>,
  advice: Advice | undefined,
  renewBefore: number | undefined,
): number {
  const lifetime = notAfter - notBefore;
  // More than the issuer gives would renew without end.
  const chosen = renewBefore === undefined ? undefined : notAfter - Math.min(renewBefore * 1000, lifetime / 2);
  return Math.min(chosen ?? advice?.renewAt ?? notAfter - lifetime / 3, notAfter - lifetime / 20);
}

/** Milliseconds since the epoch: whatever clocks and advice say, a certificate just got is not ordered again before. */
export function restUntil({ notBefore, notAfter }: Pick<Certificate, 'notBefore' | 'notAfter'>, now: number): number {
  return now + Math.min((notAfter - notBefore) / 10, latest);
}
