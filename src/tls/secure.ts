/** How the https entrypoint shakes hands: RFC 8446, RFC 6066 §3 (SNI), RFC 7301 (ALPN), RFC 8737 (tls-alpn-01). */

import type { SecureServerOptions } from 'node:http2';
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { CertificateTable } from './certificate-table.ts';

/** TLS 1.2 with forward secrecy and AEAD, and all of TLS 1.3; RFC 9325 §4.2. */
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** What no certificate changes. */
export const versions = { minVersion: 'TLSv1.2', ciphers, honorCipherOrder: true } as const;

const acmeProtocol = 'acme-tls/1';

/** `challenge` answers the certificate that proves a host to an ACME issuer, while one is asked for. */
export function secureOptions(
  table: CertificateTable,
  challenge: (host: string) => SecureContext | undefined,
  ticketKeys: Buffer,
): SecureServerOptions {
  // Without a certificate the handshake ends with an alert; an error here would cut the connection without a word.
  const nothing = createSecureContext(versions);
  // TLS 1.2 asks for the certificate before the protocol, TLS 1.3 after: what the first finds out the second must know.
  const proving = new WeakMap<TLSSocket, SecureContext>();
  return {
    ...versions,
    handshakeTimeout: 10_000,
    ticketKeys,
    // RFC 9113 §6.5.2: without a bound Node offers four billion.
    settings: { maxConcurrentStreams: 100, enableConnectProtocol: false },
    ALPNCallback(this: TLSSocket, { servername, protocols }) {
      if (!protocols.includes(acmeProtocol))
        return protocols.find((name) => name === 'h2') ?? protocols.find((name) => name === 'http/1.1');
      const context = challenge(servername.toLowerCase());
      if (context === undefined) return undefined;
      proving.set(this, context);
      this.setKeyCert(context);
      return acmeProtocol;
    },
    SNICallback(this: TLSSocket, servername: string, done: (error: null, context: SecureContext) => void) {
      // RFC 6066 §3: a name that is not served ends the handshake; no other host's certificate is shown for it.
      done(null, proving.get(this) ?? table.find(servername.toLowerCase())?.context ?? nothing);
    },
  } as SecureServerOptions;
}
