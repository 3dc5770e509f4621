/** The `tls` slice of the configuration. */

import { isIP } from 'node:net';
import * as z from 'zod';
import { duration } from '../units.ts';

const directories = {
  letsencrypt: 'https://acme-v02.api.letsencrypt.org/directory',
  'letsencrypt-staging': 'https://acme-staging-v02.api.letsencrypt.org/directory',
} as const;

const directory = z
  .union([z.enum(['letsencrypt', 'letsencrypt-staging']), z.url({ protocol: /^https$/ })], {
    error: 'must be "letsencrypt", "letsencrypt-staging" or the https:// URL of an ACME directory',
  })
  .transform((name) => (name in directories ? directories[name as keyof typeof directories] : name));

/** Where an order is rehearsed after a failure, so that it uses up nothing. */
const testDirectories: Readonly<Record<string, string>> = {
  [directories.letsencrypt]: directories['letsencrypt-staging'],
};

const eab = z.strictObject({
  kid: z.string().min(1).describe('Key id that the issuer gave you'),
  hmacKey: z.string().min(1).describe('HMAC key that the issuer gave you, base64url'),
});

const issuer = {
  directory: directory.default(directories.letsencrypt).describe('"letsencrypt", "letsencrypt-staging" or a URL'),
  caFile: z
    .string()
    .min(1)
    .optional()
    .describe('PEM file that the ACME server itself is trusted by, for a CA of your own'),
  eab: eab.optional().describe('External account binding, where the issuer wants one'),
  testDirectory: directory
    .optional()
    .describe(
      'Where orders are tried again after a failure, before the next real one [letsencrypt-staging for letsencrypt]',
    ),
  profile: z.string().min(1).optional().describe('Certificate profile to ask for, such as "shortlived"'),
};

/** The directory's own rehearsal, where none is named. */
function rehearsed<T extends { directory: string; testDirectory?: string | undefined }>(issuer: T): T {
  return { ...issuer, testDirectory: issuer.testDirectory ?? testDirectories[issuer.directory] };
}

const host = z
  .string()
  .toLowerCase()
  .regex(/^(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*$/, {
    error: 'is no host name; write "mcp.example.com" or "*.example.com"',
  });

const acme = z
  .strictObject({
    ...issuer,
    email: z.email().optional().describe('Where the issuer may write to'),
    challenge: z
      .enum(['http-01', 'tls-alpn-01', 'dns-01'])
      .default('http-01')
      .describe('How the issuer sees that a host is yours; "dns-01" needs dnsCommand, and only it can do wildcards'),
    dnsCommand: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe(
        'Program and arguments that set a TXT record; called with "set" or "clear", the record name and its value',
      ),
    domains: z
      .array(host)
      .min(1)
      .optional()
      .describe('Hosts to get certificates for [those of publicUrl, servers and routers]'),
    renewBefore: duration
      .optional()
      .describe('Renew this long before the end [when the issuer says, else a third of the lifetime]'),
    keyType: z.enum(['ec256', 'rsa2048']).default('ec256').describe('Kind of key of a certificate'),
    fallback: z
      .strictObject(issuer)
      .transform(rehearsed)
      .optional()
      .describe('Another issuer, asked when this one fails'),
  })
  .superRefine(({ challenge, dnsCommand, domains }, context) => {
    if (challenge === 'dns-01' && dnsCommand === undefined)
      context.addIssue({ code: 'custom', path: ['dnsCommand'], message: 'is needed for dns-01' });
    const wildcard = domains?.find((name) => name.startsWith('*.'));
    // RFC 8555 §7.1.3: a wildcard is proved by DNS alone, as issuers have settled it.
    if (wildcard !== undefined && challenge !== 'dns-01')
      context.addIssue({ code: 'custom', path: ['challenge'], message: `must be "dns-01" for ${wildcard}` });
  })
  .transform(rehearsed);

export const tlsConfig = z
  .strictObject({
    acme: acme.optional().describe('Certificates from an ACME issuer, got and renewed by the gateway itself'),
    files: z
      .array(
        z.strictObject({ cert: z.string().min(1).describe('PEM chain'), key: z.string().min(1).describe('PEM key') }),
      )
      .default([])
      .describe('Certificates of your own; reread when they change'),
    internal: z
      .boolean()
      .default(false)
      .describe('Certificates from a local authority in the state directory, for development'),
  })
  .refine(({ acme: issued, files, internal }) => issued !== undefined || files.length > 0 || internal, {
    error: 'names no source of certificates; set acme, files or internal',
  });

export type TlsConfig = z.output<typeof tlsConfig>;
export type AcmeConfig = NonNullable<TlsConfig['acme']>;
/** One ACME directory and what it wants to know. */
export type IssuerConfig = Pick<AcmeConfig, 'directory' | 'caFile' | 'eab' | 'profile' | 'testDirectory'>;

/** The names to order certificates for. RFC 8738 certifies addresses too; issuers that people use give names alone. */
export function orderedHosts({ domains, challenge }: AcmeConfig, hosts: readonly string[]): readonly string[] {
  const mayBeOrdered = (host: string) =>
    host.startsWith('*.') ? challenge === 'dns-01' : host !== 'localhost' && isIP(host.replace(/^\[|\]$/g, '')) === 0;
  return domains ?? hosts.filter(mayBeOrdered);
}
