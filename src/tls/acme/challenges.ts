/** Proofs that a host is ours, held ready while an issuer looks. RFC 8555 §8, RFC 8737. */

import { execFile } from 'node:child_process';
import { createSecureContext, type SecureContext } from 'node:tls';
import { promisify } from 'node:util';
import type { Log } from '../../log.ts';
import { type Collection, collection, type Store } from '../../store/store.ts';
import type { AcmeConfig } from '../config.ts';
import { alpnCertificate } from './client.ts';
import { AcmeProblem } from './problem.ts';

export interface Challenges {
  readonly type: AcmeConfig['challenge'];
  /** Resolves when the issuer may look, with what takes the proof away again and never rejects. */
  present(host: string, token: string, keyAuthorization: string, stop: AbortSignal): Promise<() => Promise<void>>;
  /** RFC 8555 §8.3: what is answered under `/.well-known/acme-challenge/`. Of any gateway on the store. */
  keyAuthorization(token: string): Promise<string | undefined>;
  /** RFC 8737 §3: what a handshake for `acme-tls/1` gets. */
  context(host: string): SecureContext | undefined;
}

/** Seconds a proof is kept, should its gateway end before it takes it away. */
const proofLifetime = 3600;
/** Milliseconds a dnsCommand may take; it returns when the record can be seen. */
const commandTimeout = 10 * 60_000;
/** Milliseconds, where the gateway is about to stop. */
const lastTimeout = 5000;

const run = promisify(execFile);

export function challenges({ challenge: type, dnsCommand }: AcmeConfig, store: Store, log: Log): Challenges {
  const tokens: Collection<string> = collection(store, 'acme-challenge');
  const contexts = new Map<string, SecureContext>();
  const dns = async (verb: 'set' | 'clear', record: string, value: string, stop: AbortSignal) => {
    const until = stop.aborted ? { timeout: lastTimeout } : { timeout: commandTimeout, signal: stop };
    const [program = '', ...args] = dnsCommand ?? [];
    try {
      await run(program, [...args, verb, record, value], until);
    } catch (error) {
      const { message, stderr } = error as Error & { stderr?: string };
      throw new AcmeProblem('command', `dnsCommand ${verb} ${record}: ${stderr?.trim() || message}`, { cause: error });
    }
  };
  return {
    type,
    async present(host, token, keyAuthorization, stop) {
      switch (type) {
        case 'http-01':
          await tokens.set(token, keyAuthorization, { ttl: proofLifetime });
          // What stays ends by itself.
          return async () => void (await tokens.delete(token).catch(() => {}));
        case 'tls-alpn-01':
          contexts.set(host, createSecureContext(await alpnCertificate(host, keyAuthorization)));
          return async () => void contexts.delete(host);
        case 'dns-01': {
          // acme-client hands out the digest that goes into the record, RFC 8555 §8.4.
          const record = `_acme-challenge.${host}`;
          const clear = () => dns('clear', record, keyAuthorization, stop);
          try {
            await dns('set', record, keyAuthorization, stop);
          } catch (error) {
            // What failed half way may have left something.
            await clear().catch(() => {});
            throw error;
          }
          return () =>
            clear().catch((error: unknown) => log.warn('a record of DNS was left behind', { record, error }));
        }
      }
    },
    keyAuthorization: (token) => tokens.get(token),
    context: (host) => contexts.get(host),
  };
}
