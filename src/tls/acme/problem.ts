/** What an ACME issuer said went wrong. RFC 8555 §6.7, RFC 9457. */

export class AcmeProblem extends Error {
  override readonly name = 'AcmeProblem';
  /** The part after `urn:ietf:params:acme:error:`; `network`, `untrusted` or `clock` where the issuer did not answer. */
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
  const { type, detail, instance, subproblems } = (value ?? {}) as Readonly<Record<string, unknown>>;
  const short = typeof type === 'string' ? type.replace('urn:ietf:params:acme:error:', '') : 'unknown';
  const details = (Array.isArray(subproblems) ? subproblems : []).map((each: { detail?: unknown }) => each.detail);
  // RFC 8555 §7.3.3: where a person is to agree to something is in `instance`.
  const text = [typeof detail === 'string' ? detail : fallback, ...details, instance].filter(
    (part) => typeof part === 'string',
  );
  return new AcmeProblem(short, text.join('; '), { retryAfter });
}

/** RFC 9110 §10.2.3: seconds or a date; in seconds from now. Undefined where it is neither. */
export function retryAfterOf(value: string | string[] | undefined): number | undefined {
  const text = [value ?? []].flat()[0];
  if (text === undefined) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

/** Of the issuer's own making, or of the way to it: nothing is known of the order yet. */
export function isTroubleOfIssuer(type: string): boolean {
  return ['network', 'untrusted', 'clock', 'serverInternal', 'rateLimited', 'timeout', 'badNonce'].includes(type);
}

const mends: Readonly<Record<string, string>> = {
  network: 'check that this host reaches the issuer, and that tls.acme.directory is right',
  untrusted: 'name the authority of the issuer’s own server in tls.acme.caFile',
  clock: 'set the clock of this machine right (timedatectl set-ntp true)',
  timeout: 'the gateway goes on with this order by itself',
  serverInternal: 'the issuer has trouble of its own; the gateway asks again by itself',
  dns: 'make the host name point to this machine (A or AAAA record), then wait for the next try or run cert renew',
  unauthorized: 'another machine answered for this name; check its DNS records and any proxy in front',
  incorrectResponse: 'another program answered for this name; check its DNS records and any proxy in front',
  caa: 'a CAA record of this domain forbids this issuer; add the issuer to it or choose another',
  rateLimited: 'the issuer wants fewer orders; the gateway waits as long as it was told',
  rejectedIdentifier: 'this issuer gives no certificate for that name; take it off, or choose another issuer',
  externalAccountRequired: 'this issuer wants tls.acme.eab',
  invalidContact: 'correct tls.acme.email',
  invalidProfile: 'correct tls.acme.profile',
  unsupported: 'choose another tls.acme.challenge',
  userActionRequired: 'do what the issuer asks for at the address it names, then run cert renew',
  command: 'run the dnsCommand by hand with the same arguments and mend what it says',
};

/** Problems of a proof, where the proof is a record in DNS. */
const unseen = ['dns', 'connection', 'unauthorized', 'incorrectResponse'];

/** How the operator mends it, in one clause. `challenge` is how hosts are proved. */
export function mendFor(type: string, challenge: string): string {
  if (challenge === 'dns-01' && unseen.includes(type))
    return 'the issuer did not see the TXT record; dnsCommand is to return only when every name server of the domain has it';
  if (challenge === 'tls-alpn-01' && ['tls', 'unauthorized', 'incorrectResponse'].includes(type))
    return 'the issuer did not find the proof on port 443: check DNS, that the port is open, and that nothing in front ends TLS';
  if (type === 'connection') {
    const port = challenge === 'tls-alpn-01' ? 443 : 80;
    return `the issuer must reach this machine by that name: check its A and AAAA records, open port ${port} from outside, or use dns-01`;
  }
  return mends[type] ?? 'see what the issuer says, then run cert renew';
}
