/** A site of some stranger on https://localhost, trusted by this process, for documents that clients publish. */

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

export interface HttpsSite extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
}

const certificate = (() => {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-gateway-'));
  try {
    const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
    const words = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost';
    const names = 'subjectAltName=DNS:localhost,DNS:rebound.example,IP:127.0.0.1';
    execFileSync('openssl', [...words.split(' '), '-addext', names, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true });
  }
})();
setDefaultCACertificates([...getCACertificates(), certificate.cert]);

export async function httpsSite(listener: RequestListener): Promise<HttpsSite> {
  const server = createServer(certificate, listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://localhost:${port}`,
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
