/** Asks the issuers for one certificate: the first, after a rehearsal where the last try failed; then its fallback. */

import { createHash } from 'node:crypto';
import type { Log } from '../../log.ts';
import { type Collection, collection, type Store, StoreUnavailable } from '../../store/store.ts';
import { covers, readCertificate } from '../certificate.ts';
import type { AcmeConfig, IssuerConfig } from '../config.ts';
import type { BegunOrder, CertificateRecord } from './certificate-record.ts';
import type { Challenges } from './challenges.ts';
import { type Account, type Client, issuerClient } from './client.ts';
import { orderCertificate } from './order.ts';
import { AcmeProblem, isTroubleOfIssuer, mendFor } from './problem.ts';
import { renewalId } from './renewal.ts';
import { authorityIn, trust } from './transport.ts';

export interface Issuers extends AsyncDisposable {
  /** `began` is told of an order before anything comes of it, and of its end where nothing can. Throws the last issuer's `AcmeProblem`. */
  issue(
    host: string,
    former: CertificateRecord,
    began: (order: BegunOrder | undefined) => Promise<void>,
  ): Promise<{ readonly chain: string; readonly key: string; readonly directory: string }>;
}

export interface IssuersDeps {
  readonly challenges: Challenges;
  readonly store: Store;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** One account for each issuer and contact. */
export function accountId(directory: string, email: string | undefined): string {
  return createHash('sha256')
    .update(`${directory}\n${email ?? ''}`)
    .digest('base64url');
}

/** Throws where a `caFile` cannot be read. */
export function issuers(config: AcmeConfig, { challenges, store, log, signal }: IssuersDeps): Issuers {
  const accounts: Collection<Account> = collection(store, 'acme-account');
  const { email, keyType, fallback } = config;
  const real = [config, ...(fallback ? [fallback] : [])];
  const trusted = real
    .map(({ directory, testDirectory, caFile }) => ({
      directories: [directory, testDirectory ?? []].flat(),
      ca: caFile === undefined ? undefined : authorityIn(caFile),
    }))
    .flatMap(({ directories, ca }) => directories.map((each) => trust(each, ca)));
  const opening = new Map<string, Promise<Client>>();

  /** Orders that begin together share the look at the account, so that it is made once. */
  const clientOf = (issuer: IssuerConfig): Promise<Client> => {
    const id = accountId(issuer.directory, email);
    const book = {
      load: () => accounts.get(id),
      save: (account: Account, former: Account | undefined) =>
        accounts.set(id, account, former === undefined ? { only: 'absent' } : {}),
    };
    const client = opening.get(id) ?? issuerClient({ ...issuer, email }, book).finally(() => void opening.delete(id));
    opening.set(id, client);
    return client;
  };

  const rehearse = async (issuer: IssuerConfig, directory: string, host: string) => {
    try {
      const client = await clientOf({ ...issuer, directory });
      await orderCertificate(client, { names: [host], keyType, challenges, profile: issuer.profile, signal });
    } catch (error) {
      // What ails the test directory itself says nothing of what the real one will do.
      if (!(error instanceof AcmeProblem) || !isTroubleOfIssuer(error.type)) throw error;
      log.info('rehearsal left out', { host, directory, reason: error.message });
    }
  };

  const from = async (
    issuer: IssuerConfig,
    host: string,
    former: CertificateRecord,
    began: (order: BegunOrder) => Promise<void>,
  ) => {
    signal.throwIfAborted();
    const { directory, testDirectory, profile } = issuer;
    const begun = former.order?.directory === directory ? former.order : undefined;
    // A rehearsal costs nothing of what the issuer allows in a week; only when it succeeds is the real one asked again.
    if (former.failures > 0 && testDirectory !== undefined && begun === undefined)
      await rehearse(issuer, testDirectory, host);
    const client = await clientOf(issuer);
    const replaces =
      former.chain === undefined || former.directory !== directory ? undefined : await renewalId(former.chain);
    const got = await orderCertificate(client, {
      names: [host],
      keyType,
      challenges,
      profile,
      replaces,
      signal,
      begun,
      began: (order) => began({ ...order, directory, begunAt: Date.now() }),
    });
    // Nothing that cannot be served is kept: it would stand in the way of the one that is served now.
    if (!covers(readCertificate(got.chain, got.key), host))
      throw new AcmeProblem('unknown', `the issuer certified another name than ${host}`);
    return { ...got, directory };
  };

  return {
    async issue(host, former, began) {
      let problem: AcmeProblem | undefined;
      for (const issuer of real) {
        try {
          return await from(issuer, host, former, began);
        } catch (error) {
          if (signal.aborted || error instanceof StoreUnavailable) throw error;
          problem = error instanceof AcmeProblem ? error : new AcmeProblem('unknown', String(error), { cause: error });
          const { type, message } = problem;
          const mend = mendFor(type, challenges.type);
          log.warn('no certificate', { host, directory: issuer.directory, type, reason: message, mend });
          if (!isTroubleOfIssuer(type)) await began(undefined);
        }
      }
      throw problem;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(trusted.map((each) => each[Symbol.asyncDispose]()));
    },
  };
}
