/** TLS for the https entrypoint: certificates from files, a local authority or an ACME issuer, and what plain HTTP still answers. */

import { randomBytes } from 'node:crypto';
import type { SecureServerOptions } from 'node:http2';
import { join } from 'node:path';
import type { Server, TLSSocket } from 'node:tls';
import type { Log } from '../log.ts';
import { type Handler, type Middleware, type Reply, refusal } from '../router/handler.ts';
import { collection, type Store } from '../store/store.ts';
import type { CertificateStatus, Certificates } from './acme/certificates.ts';
import type { Challenges } from './acme/challenges.ts';
import { type Certificate, covers } from './certificate.ts';
import { certificateFiles } from './certificate-files.ts';
import { type CertificateSource, certificateTable } from './certificate-table.ts';
import { orderedHosts, type TlsConfig } from './config.ts';
import { secureOptions, versions } from './secure.ts';

export interface Tls extends AsyncDisposable {
  readonly secure: SecureServerOptions;
  /** Keeps session tickets and the certificate for clients that name no host fresh on the server that listens. */
  attach(server: Server): void;
  /** What the plain entrypoint answers: an issuer's http-01 question, else the way to https. */
  readonly plain: Handler;
  /** RFC 9110 §15.5.20: a host that the connection's certificate does not cover is asked for on another connection. */
  readonly misdirected: Middleware;
  /** Takes over from the configuration before; connections that are open stay. Rejects with the former certificates in place. */
  use(config: TlsConfig, hosts: readonly string[]): Promise<void>;
  status(): readonly CertificateStatus[];
  /** Orders now from the ACME issuer; for every host where none is named. */
  renew(host?: string): Promise<void>;
  /** What a person trusts, where the local authority is used. */
  readonly rootFile: string | undefined;
}

export interface TlsDeps {
  readonly publicUrl: URL;
  readonly stateDir: string | undefined;
  readonly store: Store;
  readonly log: Log;
}

const challengePath = '/.well-known/acme-challenge/';
/** Seconds; RFC 9325 §3.4: ticket keys live for hours rather than weeks. */
const ticketLife = 12 * 3600;
/** Milliseconds between looks at which keys are the current ones. */
const ticketLook = 60_000;

/** Rejects where a file of `tls.files` cannot be used. Never waits for an issuer. */
export async function openTls(config: TlsConfig, hosts: readonly string[], deps: TlsDeps): Promise<Tls> {
  const { publicUrl, store, log } = deps;
  const table = certificateTable();
  const tickets = ticketKeys(store);
  let source: Source | undefined;
  let served: readonly string[] = hosts;
  let server: Server | undefined;

  let keys = await tickets();
  /** For a client that names no host. A new context would begin with ticket keys of its own. */
  const certify = () => {
    const shown = defaultOf(table.all());
    if (shown !== undefined)
      server?.setSecureContext({ ...versions, cert: shown.chain, key: shown.key, ticketKeys: keys });
  };
  const install = (name: CertificateSource, certificates: readonly Certificate[]) => {
    table.set(name, certificates);
    certify();
  };
  const use = async (next: TlsConfig, names: readonly string[]) => {
    const own = (host: string) => table.of('files').some((each) => covers(each, host) && each.notAfter > Date.now());
    const opened = await openSource(next, names, deps, { install, own });
    for (const name of ['files', 'internal', 'acme'] as const) if (!opened.kinds.has(name)) install(name, []);
    const former = source;
    source = opened;
    served = names;
    await former?.[Symbol.asyncDispose]();
  };
  await use(config, hosts);
  const rotation = setInterval(() => {
    const fresh = async () => {
      keys = await tickets();
      server?.setTicketKeys(keys);
    };
    fresh().catch((error: unknown) => log.warn('session tickets keep their keys', { error }));
  }, ticketLook).unref();

  const port = publicUrl.port === '' ? '' : `:${publicUrl.port}`;
  return {
    secure: secureOptions(table, (host) => source?.challenges?.context(host), keys),
    attach(listening) {
      server = listening;
      certify();
    },
    async plain({ req, host, path, query }): Promise<Reply> {
      if (path.startsWith(challengePath)) {
        const proof = await source?.challenges?.keyAuthorization(path.slice(challengePath.length));
        if (proof === undefined) throw refusal(404, 'not_found', 'no issuer has been promised this');
        return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: Buffer.from(proof) };
      }
      if (!covers({ names: served }, host) && table.find(host) === undefined)
        throw refusal(404, 'not_found', 'nothing is served here');
      // RFC 9110 §15.4.9: only 308 keeps the method and the body.
      const status = req.method === 'GET' || req.method === 'HEAD' ? 301 : 308;
      return { status, headers: { location: `https://${host}${port}${path}${query}` } };
    },
    misdirected: (next) => (exchange) => {
      const named = (exchange.req.socket as TLSSocket).servername;
      const shown =
        typeof named === 'string' && named !== '' ? table.find(named.toLowerCase()) : defaultOf(table.all());
      if (shown !== undefined && covers(shown, bare(exchange.host))) return next(exchange);
      throw refusal(421, 'misdirected_request', 'this host is not served on this connection');
    },
    use,
    status: () => [
      ...(source?.acme?.status() ?? []),
      ...[...table.of('files'), ...table.of('internal')].map(({ names, issuer, notAfter }) => ({
        host: names.join(', '),
        issuer,
        notAfter,
      })),
    ],
    async renew(host) {
      if (source?.acme === undefined)
        throw new Error('no certificate here comes from an ACME issuer; tls.acme is not configured');
      await source.acme.renew(host);
    },
    get rootFile() {
      return source?.rootFile;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(rotation);
      await source?.[Symbol.asyncDispose]();
    },
  };
}

interface Source extends AsyncDisposable {
  readonly kinds: ReadonlySet<CertificateSource>;
  readonly acme: Certificates | undefined;
  readonly challenges: Challenges | undefined;
  readonly rootFile: string | undefined;
}

interface Installing {
  install(name: CertificateSource, certificates: readonly Certificate[]): void;
  /** Whether a file of the operator's stands for this host now. */
  own(host: string): boolean;
}

async function openSource(
  config: TlsConfig,
  hosts: readonly string[],
  { stateDir, store, log }: TlsDeps,
  { install, own }: Installing,
): Promise<Source> {
  await using opening = new AsyncDisposableStack();
  const kinds = new Set<CertificateSource>();
  if (config.files.length > 0) {
    kinds.add('files');
    opening.use(await certificateFiles(config.files, log, (all) => install('files', all)));
  }
  let rootFile: string | undefined;
  if (config.internal) {
    kinds.add('internal');
    const { internalAuthority } = await import('./internal-authority.ts');
    const directory = join(stateDir ?? '', 'internal-authority');
    rootFile = opening.use(await internalAuthority(directory, hosts, log, (all) => install('internal', all))).rootFile;
  }
  let acme: Certificates | undefined;
  let proofs: Challenges | undefined;
  if (config.acme !== undefined) {
    kinds.add('acme');
    const { certificates } = await import('./acme/certificates.ts');
    const { challenges } = await import('./acme/challenges.ts');
    proofs = challenges(config.acme, store, log);
    acme = opening.use(
      await certificates(config.acme, {
        hosts: orderedHosts(config.acme, hosts),
        challenges: proofs,
        store,
        log,
        covered: own,
        changed: (all) => install('acme', all),
      }),
    );
  }
  const running = opening.move();
  return { kinds, acme, challenges: proofs, rootFile, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** A client that connects to an address names no host; RFC 6066 §3 knows no literal addresses. */
function defaultOf(all: readonly Certificate[]): Certificate | undefined {
  return all.find(({ names }) => names.some((name) => /^[\d.]+$|:/.test(name)));
}

function bare(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}

/** RFC 5077 by way of the store, so that a session is resumed after a restart and at another gateway. */
function ticketKeys(store: Store): () => Promise<Buffer> {
  const kept = collection<{ keys: string }>(store, 'tls-ticket-keys');
  return async () => {
    for (;;) {
      const known = await kept.get('current');
      if (known !== undefined) return Buffer.from(known.keys, 'base64url');
      const keys = randomBytes(48);
      // Where another gateway was first, its keys are those of all.
      if (await kept.set('current', { keys: keys.toString('base64url') }, { ttl: ticketLife, only: 'absent' }))
        return keys;
    }
  };
}
