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
  const root = await rootOf(x509, directory, rootFile);
  const renew = async () => {
    const certificate = await leafFor(x509, root, hosts);
    changed([certificate]);
    log.info('internal certificate made', { hosts, until: new Date(certificate.notAfter).toISOString() });
  };
  await renew();
  const fault = (error: unknown) => log.error('internal certificate not renewed', { error });
  const timer = setInterval(() => void renew().catch(fault), (leafDays * day) / 3).unref();
  return { rootFile, [Symbol.dispose]: () => clearInterval(timer) };
}

interface Root {
  readonly certificate: import('@peculiar/x509').X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

async function rootOf(x509: X509, directory: string, rootFile: string): Promise<Root> {
  const keyFile = join(directory, 'root.key');
  if (existsSync(rootFile) && existsSync(keyFile)) {
    const certificate = new x509.X509Certificate(await readFile(rootFile, 'utf8'));
    const der = x509.PemConverter.decodeFirst(await readFile(keyFile, 'utf8'));
    const privateKey = await webcrypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
    return {
      certificate,
      keys: {
        privateKey: privateKey,
        publicKey: await certificate.publicKey.export(webcrypto),
      },
    };
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
  await keep(keyFile, key);
  await keep(rootFile, certificate.toString('pem'));
  return { certificate, keys };
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

/** Whole or not at all, and for this user only. */
async function keep(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await chmod(`${file}.new`, 0o600);
  await rename(`${file}.new`, file);
}
