/** The https entrypoint with its certificates, and the plain one beside it, on loopback without the rest of the gateway. */

import { silent } from '../../src/log.ts';
import { limitsConfig } from '../../src/router/config.ts';
import { listen } from '../../src/router/entrypoint.ts';
import type { Handler } from '../../src/router/handler.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import type { Store } from '../../src/store/store.ts';
import type { Certificate } from '../../src/tls/certificate.ts';
import { tlsConfig } from '../../src/tls/config.ts';
import { internalAuthority } from '../../src/tls/internal-authority.ts';
import { openTls, type Tls } from '../../src/tls/tls.ts';

export interface HttpsFront extends AsyncDisposable {
  readonly port: number;
  readonly plainPort: number;
  readonly tls: Tls;
}

export interface HttpsFrontOptions {
  readonly tls: object;
  readonly hosts: readonly string[];
  readonly store?: Store;
  readonly stateDir?: string;
  readonly handler?: Handler;
  /** Whether connections begin with a PROXY header. */
  readonly proxyProtocol?: boolean;
}

export async function httpsFront(options: HttpsFrontOptions): Promise<HttpsFront> {
  const { hosts, stateDir, store = memoryStore() } = options;
  const handler: Handler = options.handler ?? (({ host }) => ({ status: 200, body: host }));
  const limits = { ...limitsConfig.parse({}), drain: 0 };
  await using opening = new AsyncDisposableStack();
  const publicUrl = new URL(`https://${hosts[0]}:8443`);
  const tls = opening.use(
    await openTls(tlsConfig.parse(options.tls), hosts, { publicUrl, stateDir, store, log: silent }),
  );
  const entry = { address: '127.0.0.1:0', limits, log: silent, trustedProxies: ['127.0.0.1'] };
  const secure = { options: tls.secure, attach: tls.attach };
  const https = opening.use(
    await listen({ ...entry, secure, proxyProtocol: options.proxyProtocol ?? false }, tls.misdirected(handler)),
  );
  const plain = opening.use(await listen(entry, tls.plain));
  const running = opening.move();
  return {
    port: https.port,
    plainPort: plain.port,
    tls,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** A certificate of an authority that is kept in `directory`, and that authority's PEM file. */
export async function certified(
  directory: string,
  hosts: readonly string[],
): Promise<{ certificate: Certificate; rootFile: string }> {
  let made: Certificate | undefined;
  using authority = await internalAuthority(directory, hosts, silent, ([certificate]) => {
    made = certificate;
  });
  if (made === undefined) throw new Error('the authority made nothing');
  return { certificate: made, rootFile: authority.rootFile };
}
