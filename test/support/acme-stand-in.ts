/** A small RFC 8555 issuer for what Debian's pebble lacks: RFC 9773, profiles, rate limits, accounts that end, slowness. */

import { randomUUID, webcrypto } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import * as x509 from '@peculiar/x509';
import { certified } from './https-front.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface StandIn extends AsyncDisposable {
  readonly directory: string;
  readonly caFile: string;
  /** The payloads of newOrder, in order. */
  readonly orders: readonly {
    readonly profile?: string;
    readonly replaces?: string;
    readonly identifiers: readonly { readonly value: string }[];
  }[];
  /** Orders that were begun and not yet finalized, at most at once. */
  readonly mostAtOnce: number;
  /** Certificate ids that advice was asked for. */
  readonly advised: readonly string[];
  readonly accounts: number;
  /** Answers the next newOrder with this. `times` [1] */
  refuse(status: number, type: string, headers?: Record<string, string>, times?: number): void;
  /** RFC 8555 §7.3.6: every account so far is deactivated. */
  deactivate(): void;
  /** RFC 9773 §4.2: what is advised from now on; milliseconds since the epoch. */
  advise(window: { start: number; end: number }, retryAfter?: number, explanationURL?: string): void;
  /** From now on no certificate is handed out. Resolves once one was asked for; what it answers lets it go. */
  hold(): { readonly asked: Promise<void>; release(): void };
  /** Milliseconds that its time is ahead when it certifies. */
  setClock(ahead: number): void;
  /** Looks an order is said to be still processing after it was finalized. `retryAfter` in seconds [0] */
  slow(looks: number, retryAfter?: number): void;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const lifetime = 90 * 86_400_000;

export async function startStandIn(): Promise<StandIn> {
  x509.cryptoProvider.set(webcrypto);
  const home = await temporaryDirectory();
  const { certificate: own, rootFile: caFile } = await certified(home.path, ['localhost']);
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=stand-in',
    keys: await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']),
    signingAlgorithm: algorithm,
  });
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const orders: { profile?: string; replaces?: string; identifiers: { value: string }[] }[] = [];
  const chains: string[] = [];
  const advised: string[] = [];
  const active = new Set<string>();
  let accounts = 0;
  let refusal = { status: 0, type: '', headers: {} as Record<string, string>, times: 0 };
  let held: Promise<void> | undefined;
  let asked: (() => void) | undefined;
  let mostAtOnce = 0;
  let ahead = 0;
  let suggestion:
    | { suggestedWindow: { start: string; end: string }; retryAfter: number; explanationURL: string | undefined }
    | undefined;
  let processing = 0;
  let patience = 0;

  const issue = async (csr: string, serial: number): Promise<string> => {
    const request = new x509.Pkcs10CertificateRequest(Buffer.from(csr, 'base64url'));
    const names = orders[serial - 1]?.identifiers.map(({ value }) => ({ type: 'dns' as const, value })) ?? [];
    const leaf = await x509.X509CertificateGenerator.create({
      // A high first octet: RFC 9773 §4.1 wants the zero that DER puts before it.
      serialNumber: `f${serial.toString(16).padStart(7, '0')}`,
      subject: '',
      issuer: 'CN=stand-in',
      notBefore: new Date(Date.now() + ahead - 1000),
      notAfter: new Date(Date.now() + ahead + lifetime),
      signingAlgorithm: algorithm,
      publicKey: request.publicKey,
      signingKey: keys.privateKey,
      extensions: [
        new x509.SubjectAlternativeNameExtension(names, true),
        await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return `${leaf.toString('pem')}\n${authority.toString('pem')}\n`;
  };

  const server = createServer({ cert: own.chain, key: own.key });
  const url = () => `https://localhost:${(server.address() as AddressInfo).port}`;
  const order = (id: number, status: string) => ({
    status,
    identifiers: orders[id]?.identifiers,
    authorizations: [`${url()}/authorization/${id}`],
    finalize: `${url()}/finalize/${id}`,
    ...(status === 'valid' && { certificate: `${url()}/certificate/${id}` }),
  });

  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const [, verb = '', id = ''] = (req.url ?? '').split('/');
    const send = (status: number, body: unknown, headers: Record<string, string> = {}) => {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      res.writeHead(status, { 'replay-nonce': randomUUID(), ...headers }).end(text);
    };
    const problem = (status: number, type: string, headers = {}) =>
      send(status, { type: `urn:ietf:params:acme:error:${type}`, detail: `because of ${type}` }, headers);
    const text = Buffer.concat(await req.toArray()).toString();
    const part = (name: 'protected' | 'payload') => {
      const encoded = text === '' ? '' : (JSON.parse(text) as Record<typeof name, string>)[name];
      return encoded === '' ? {} : JSON.parse(Buffer.from(encoded, 'base64url').toString());
    };
    const { kid } = part('protected') as { kid?: string };
    if (kid !== undefined && !active.has(kid)) return problem(401, 'unauthorized');
    switch (verb) {
      case 'directory':
        return send(200, {
          newNonce: `${url()}/nonce`,
          newAccount: `${url()}/new-account`,
          newOrder: `${url()}/new-order`,
          renewalInfo: `${url()}/renewal-info`,
          meta: { profiles: { shortlived: 'six days' } },
        });
      case 'nonce':
        return send(204, '');
      case 'new-account': {
        accounts++;
        const location = `${url()}/account/${accounts}`;
        active.add(location);
        return send(201, { status: 'valid' }, { location });
      }
      case 'account':
        return send(200, { status: 'valid' });
      case 'new-order': {
        if (refusal.times > 0) {
          refusal.times -= 1;
          return problem(refusal.status, refusal.type, refusal.headers);
        }
        orders.push(part('payload'));
        mostAtOnce = Math.max(mostAtOnce, orders.length - Object.keys(chains).length);
        const location = `${url()}/order/${orders.length - 1}`;
        return send(201, order(orders.length - 1, 'ready'), { location });
      }
      case 'authorization':
        return send(200, { status: 'valid', identifier: orders[Number(id)]?.identifiers[0], challenges: [] });
      case 'finalize':
        chains[Number(id)] = await issue(String(part('payload').csr), Number(id) + 1);
        return send(200, order(Number(id), 'processing'), { location: `${url()}/order/${id}`, 'retry-after': '0' });
      case 'order': {
        const issued = chains[Number(id)] !== undefined;
        if (issued && processing > 0) {
          processing--;
          return send(200, order(Number(id), 'processing'), { 'retry-after': String(patience) });
        }
        return send(200, order(Number(id), issued ? 'valid' : 'ready'));
      }
      case 'certificate':
        asked?.();
        await held;
        return send(200, chains[Number(id)] ?? '');
      case 'renewal-info': {
        advised.push(id);
        if (suggestion === undefined) return problem(404, 'malformed');
        const { retryAfter, ...body } = suggestion;
        return send(200, body, { 'retry-after': String(retryAfter) });
      }
      default:
        return problem(404, 'malformed');
    }
  };
  server.on('request', (req, res) => {
    answer(req, res).catch((error: unknown) => res.destroy(error as Error));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    get directory() {
      return `${url()}/directory`;
    },
    caFile,
    orders,
    advised,
    get accounts() {
      return accounts;
    },
    get mostAtOnce() {
      return mostAtOnce;
    },
    refuse: (status, type, headers = {}, times = 1) => {
      refusal = { status, type, headers, times };
    },
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const wanted = Promise.withResolvers<void>();
      held = promise;
      asked = wanted.resolve;
      return { asked: wanted.promise, release: resolve };
    },
    deactivate: () => active.clear(),
    advise: ({ start, end }, retryAfter = 3600, explanationURL = undefined) => {
      const suggestedWindow = { start: new Date(start).toISOString(), end: new Date(end).toISOString() };
      suggestion = { suggestedWindow, retryAfter, explanationURL };
    },
    setClock: (ms) => {
      ahead = ms;
    },
    slow: (looks, retryAfter = 0) => {
      processing = looks;
      patience = retryAfter;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      await home[Symbol.asyncDispose]();
    },
  };
}
