/** What an ACME issuer said went wrong. RFC 8555 §6.7, RFC 9457. */

export class AcmeProblem extends Error {
  override readonly name = 'AcmeProblem';
  /** The part after `urn:ietf:params:acme:error:`; `network` where the issuer did not answer. */
  readonly type: string;
  /** Seconds, where the issuer said how long to stay away. */
  readonly retryAfter: number | undefined;

  constructor(type: string, detail: string, options: ErrorOptions & { retryAfter?: number | undefined } = {}) {
    super(detail, options);
    this.type = type;
    this.retryAfter = options.retryAfter;
  }
}

/** The problem in an answer's body or in a failed challenge. */
export function problemFrom(value: unknown, fallback: string, retryAfter?: number): AcmeProblem {
  const { type, detail, subproblems } = (value ?? {}) as { type?: unknown; detail?: unknown; subproblems?: unknown };
  const short = typeof type === 'string' ? type.replace('urn:ietf:params:acme:error:', '') : 'unknown';
  const details = (Array.isArray(subproblems) ? subproblems : []).map((each: { detail?: unknown }) => each.detail);
  const text = [typeof detail === 'string' ? detail : fallback, ...details].filter((part) => typeof part === 'string');
  return new AcmeProblem(short, text.join('; '), { retryAfter });
}

/** RFC 9110 §10.2.3: seconds or a date; in seconds from now. Undefined where it is neither. */
export function retryAfterOf(value: string | string[] | undefined): number | undefined {
  const text = [value ?? []].flat()[0];
  if (text === undefined) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

const mends: Readonly<Record<string, string>> = {
  network: 'check that this host reaches the issuer',
  dns: 'make the host name point to this machine (A or AAAA record), then wait for the next try or run cert renew',
  connection:
    'the issuer must reach this machine from outside: open port 80 (http-01) or 443 (tls-alpn-01), or use dns-01',
  unauthorized: 'another machine answered for this name; check its DNS records and any proxy in front',
  incorrectResponse: 'another program answered for this name; check its DNS records and any proxy in front',
  caa: 'a CAA record of this domain forbids this issuer; add the issuer to it or choose another',
  rateLimited: 'the issuer wants fewer orders; the gateway waits as long as it was told',
  rejectedIdentifier: 'this issuer gives no certificate for that name; take it off, or choose another issuer',
  externalAccountRequired: 'this issuer wants tls.acme.eab',
  command: 'run the dnsCommand by hand with the same arguments and mend what it says',
};

/** How the operator mends it, in one clause. */
export function mendFor(type: string): string {
  return mends[type] ?? 'see what the issuer says, then run cert renew';
}
