/** A certificate authority of this machine's own, for development: RFC 5280 by way of @peculiar/x509. */

import { webcrypto } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { Log } from '../log.ts';
import { type Certificate, readCertificate } from './certificate.ts';

export interface InternalAuthority extends Disposable {
  /** The file a person trusts. */
  readonly rootFile: string;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const day = 86_400_000;
/** Browsers accept leaves of a private authority for at most 825 days; a short one is made anew in passing. */
const leafDays = 30;
const rootDays = 3650;
/** Milliseconds between looks at whether it is time. */
const lookEvery = 60_000;

type X509 = typeof import('@peculiar/x509');

/** Makes the authority where `directory` has none, then a certificate for `hosts`, renewed at a third of its life. */
export async function internalAuthority(
  directory: string,
  hosts: readonly string[],
  log: Log,
  changed: (certificates: readonly Certificate[]) => void,
): Promise<InternalAuthority> {
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const rootFile = join(directory, 'root.pem');
  let renewAt = 0;
  const renew = async () => {
    if (Date.now() < renewAt) return;
    const certificate = await leafFor(x509, await rootOf(x509, directory, rootFile, log), hosts);
    renewAt = Date.now() + (leafDays * day) / 3;
    changed([certificate]);
    log.info('internal certificate made', { hosts, until: new Date(certificate.notAfter).toISOString() });
  };
  await renew();
  const fault = (error: unknown) => log.error('internal certificate not renewed', { error });
  // Timers stand still while a laptop sleeps, certificates do not.
  const timer = setInterval(() => void renew().catch(fault), lookEvery).unref();
  return { rootFile, [Symbol.dispose]: () => clearInterval(timer) };
}

interface Root {
  readonly certificate: import('@peculiar/x509').X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

async function rootOf(x509: X509, directory: string, rootFile: string, log: Log): Promise<Root> {
  const keyFile = join(directory, 'root.key');
  if (existsSync(rootFile) && existsSync(keyFile)) {
    const certificate = new x509.X509Certificate(await readFile(rootFile, 'utf8'));
    if (certificate.notAfter.getTime() > Date.now() + leafDays * day)
      return { certificate, keys: await keysOf(x509, certificate, keyFile) };
    log.warn('the local authority ends soon and another takes its place; have it trusted anew', { rootFile });
  }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=mcp-gateway internal authority',
    serialNumber: serial(),
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + rootDays * day),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  await keep(keyFile, key, 0o600);
  await keep(rootFile, `${certificate.toString('pem')}\n`, 0o644);
  return { certificate, keys };
}

async function keysOf(x509: X509, certificate: Root['certificate'], keyFile: string): Promise<Root['keys']> {
  const der = x509.PemConverter.decodeFirst(await readFile(keyFile, 'utf8'));
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
  return { privateKey, publicKey: await certificate.publicKey.export(webcrypto) };
}

async function leafFor(x509: X509, { certificate, keys }: Root, hosts: readonly string[]): Promise<Certificate> {
  const own = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const leaf = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: '',
    issuer: certificate.subject,
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Math.min(Date.now() + leafDays * day, certificate.notAfter.getTime())),
    signingAlgorithm: algorithm,
    publicKey: own.publicKey,
    signingKey: keys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1']),
      // RFC 5280 §4.2.1.6: with an empty subject the alternative name is critical.
      new x509.SubjectAlternativeNameExtension(hosts.map(generalName), true),
      await x509.AuthorityKeyIdentifierExtension.create(certificate),
    ],
  });
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', own.privateKey), 'PRIVATE KEY');
  return readCertificate(`${leaf.toString('pem')}\n${certificate.toString('pem')}\n`, key);
}

function generalName(host: string): { type: 'ip' | 'dns'; value: string } {
  const bare = host.replace(/^\[|\]$/g, '');
  return { type: isIP(bare) === 0 ? 'dns' : 'ip', value: bare };
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets. */
function serial(): string {
  return `0${webcrypto.randomUUID().replaceAll('-', '').slice(1)}`;
}

/** Whole or not at all. */
async function keep(file: string, text: string, mode: number): Promise<void> {
  await writeFile(`${file}.new`, text, { mode });
  await chmod(`${file}.new`, mode);
  await rename(`${file}.new`, file);
}
