/** Keeps one certificate for each host: got, installed, renewed, and in the store for every gateway on it. */

import { createHash } from 'node:crypto';
import type { Log } from '../../log.ts';
import { type Collection, collection, type Store } from '../../store/store.ts';
import { type Certificate, covers, readCertificate } from '../certificate.ts';
import type { AcmeConfig, IssuerConfig } from '../config.ts';
import { waitAfter } from './back-off.ts';
import type { Challenges } from './challenges.ts';
import { type Account, issuerClient } from './client.ts';
import { orderCertificate } from './order.ts';
import { AcmeProblem, mendFor } from './problem.ts';
import { type Advice, adviceFor, renewalId, renewalTime } from './renewal.ts';
import { trust } from './transport.ts';

/** What the store has of one host. Times in milliseconds since the epoch. */
export interface CertificateRecord {
  readonly chain?: string;
  readonly key?: string;
  /** Of the issuer it came from, which is asked when to renew it. */
  readonly directory?: string;
  readonly advice?: Advice;
  /** In a row, since the last success. */
  readonly failures: number;
  readonly nextTry: number;
  readonly problem?: string;
}

export interface CertificateStatus {
  readonly host: string;
  readonly issuer?: string;
  /** Milliseconds since the epoch. */
  readonly notAfter?: number;
  /** Milliseconds since the epoch. */
  readonly renewAt?: number;
  /** Why there is none, or why it was not renewed, and how to mend it. */
  readonly problem?: string;
  /** Milliseconds since the epoch, where a try failed. */
  readonly nextTry?: number;
}

export interface Certificates extends AsyncDisposable {
  /** Looks at the plan now, as it does by itself from time to time. Resolves when what was due is done. */
  look(): Promise<void>;
  status(): readonly CertificateStatus[];
  /** Orders now, whatever the plan says; for all hosts where none is named. Rejects with the first problem. */
  renew(host?: string): Promise<void>;
}

export interface CertificatesDeps {
  readonly hosts: readonly string[];
  readonly challenges: Challenges;
  readonly store: Store;
  readonly log: Log;
  /** Gets all that can be served now, whenever that changes. */
  changed(certificates: readonly Certificate[]): void;
}

/** Milliseconds between looks at the plan, and at what another gateway has got. */
const lookEvery = 30_000;
/** Seconds after which another gateway takes over the order of one that died. */
const leaseLifetime = 15 * 60;
/** Orders under way at once. */
const atOnce = 4;

const untried: CertificateRecord = { failures: 0, nextTry: 0 };

/** One account for each issuer and contact. */
export function accountId(directory: string, email: string | undefined): string {
  return createHash('sha256')
    .update(`${directory}\n${email ?? ''}`)
    .digest('base64url');
}

/** Returns at once: what the store has is served as soon as it is read, what is missing is ordered behind. */
export function certificates(
  config: AcmeConfig,
  { hosts, challenges, store, log, changed }: CertificatesDeps,
): Certificates {
  const records: Collection<CertificateRecord> = collection(store, 'certificate');
  const leases: Collection<boolean> = collection(store, 'certificate-lease');
  const known = new Map<
    string,
    { readonly record: CertificateRecord; readonly certificate: Certificate | undefined }
  >();
  const jobs = new Map<string, Promise<void>>();
  const stop = new AbortController();
  const real = [config, ...(config.fallback ? [config.fallback] : [])];
  const asked = real.flatMap((issuer) =>
    issuer.testDirectory === undefined ? [issuer] : [issuer, { ...issuer, directory: issuer.testDirectory }],
  );
  const trusted = asked.map((issuer) => trust(issuer.directory, issuer.caFile));

  const install = (host: string, record: CertificateRecord) => {
    const former = known.get(host);
    const same = former !== undefined && former.record.chain === record.chain;
    const fresh = record.chain === undefined ? undefined : readCertificate(record.chain, record.key ?? '');
    known.set(host, { record, certificate: same ? former.certificate : fresh });
    if (!same) changed([...known.values()].flatMap(({ certificate }) => certificate ?? []));
  };
  const keep = async (host: string, record: CertificateRecord) => {
    await records.set(host, record);
    install(host, record);
  };

  const plan = (host: string) => {
    const { record = untried, certificate } = known.get(host) ?? {};
    const renewAt = certificate === undefined ? 0 : renewalTime(certificate, record.advice, config.renewBefore);
    return { record, certificate, renewAt, due: Math.max(renewAt, record.nextTry) };
  };

  const order = async (host: string) => {
    const { record } = plan(host);
    let problem: AcmeProblem | undefined;
    for (const issuer of real) {
      try {
        // A rehearsal costs nothing of what the issuer allows in a week; only when it succeeds is the real one tried again.
        if (record.failures > 0 && issuer.testDirectory !== undefined)
          await from({ ...issuer, directory: issuer.testDirectory }, host, undefined);
        const got = await from(issuer, host, record.directory === issuer.directory ? record.chain : undefined);
        // Nothing that cannot be served is kept: it would stand in the way of the one that is served now.
        if (!covers(readCertificate(got.chain, got.key), host))
          throw new AcmeProblem('unknown', `the issuer certified another name than ${host}`);
        await keep(host, { ...got, directory: issuer.directory, failures: 0, nextTry: 0 });
        log.info('certificate installed', {
          host,
          until: new Date(plan(host).certificate?.notAfter ?? 0).toISOString(),
        });
        return;
      } catch (error) {
        if (stop.signal.aborted) throw error;
        problem = error instanceof AcmeProblem ? error : new AcmeProblem('unknown', String(error), { cause: error });
        const { type, message } = problem;
        log.warn('no certificate', { host, directory: issuer.directory, type, reason: message, mend: mendFor(type) });
      }
    }
    if (problem === undefined) return;
    const failures = record.failures + 1;
    const nextTry = Date.now() + waitAfter(failures, problem) * 1000;
    await keep(host, { ...record, failures, nextTry, problem: `${problem.message}; ${mendFor(problem.type)}` });
    throw problem;
  };

  const from = async (issuer: IssuerConfig, host: string, former: string | undefined) => {
    stop.signal.throwIfAborted();
    const accounts: Collection<Account> = collection(store, 'acme-account');
    const id = accountId(issuer.directory, config.email);
    const book = {
      load: () => accounts.get(id),
      save: async (account: Account) => void (await accounts.set(id, account)),
    };
    const client = await issuerClient({ ...issuer, email: config.email }, book);
    const replaces = former === undefined ? undefined : await renewalId(former);
    const { keyType } = config;
    const options = { names: [host], keyType, challenges, profile: issuer.profile, signal: stop.signal };
    try {
      return await orderCertificate(client, { ...options, replaces });
    } catch (error) {
      // RFC 9773 §5: an issuer may refuse the link to the former certificate; the order goes without it.
      const refused = error instanceof AcmeProblem && ['alreadyReplaced', 'malformed'].includes(error.type);
      if (replaces === undefined || !refused) throw error;
      return await orderCertificate(client, { ...options, replaces: undefined });
    }
  };

  const advise = async (host: string) => {
    const { record } = plan(host);
    if (record.chain === undefined || record.directory === undefined) return;
    const now = Date.now();
    const advice = await adviceFor(record.directory, record.chain, record.advice, now).catch((error: unknown) => {
      log.debug('no advice on renewal', { host, error });
      return { ...record.advice, askAgainAt: now + 3_600_000 };
    });
    await keep(host, { ...record, advice: advice ?? { askAgainAt: now + 86_400_000 } });
  };

  /** One gateway at a time works on a host; what it gets the others find in the store. */
  const work = async (host: string, forced: boolean) => {
    if (!(await leases.set(host, true, { ttl: leaseLifetime, only: 'absent' }))) return;
    try {
      install(host, (await records.get(host)) ?? untried);
      if (!forced && (plan(host).record.advice?.askAgainAt ?? 0) <= Date.now()) await advise(host);
      if (forced || plan(host).due <= Date.now()) await order(host);
    } finally {
      await leases.delete(host);
    }
  };
  const begin = (host: string, forced = false): Promise<void> => {
    const job = (jobs.get(host) ?? work(host, forced)).finally(() => jobs.delete(host));
    jobs.set(host, job);
    return job;
  };

  const look = async () => {
    for (const host of hosts) {
      if (stop.signal.aborted) return;
      if (jobs.has(host)) continue;
      install(host, (await records.get(host)) ?? untried);
      const { record, due } = plan(host);
      const unadvised = record.chain !== undefined && (record.advice?.askAgainAt ?? 0) <= Date.now();
      if (due > Date.now() && !unadvised) continue;
      // The problem is in the record and in the log.
      begin(host).catch(() => {});
      if (jobs.size >= atOnce) await Promise.race(jobs.values()).catch(() => {});
    }
  };
  let looking: Promise<void> | undefined;
  const lookAgain = () => {
    looking ??= look()
      .catch((error: unknown) => log.error('certificates not looked after', { error }))
      .finally(() => {
        looking = undefined;
      });
    return looking;
  };
  const timer = setInterval(() => void lookAgain(), lookEvery).unref();
  void lookAgain();

  return {
    async look() {
      await lookAgain();
      await Promise.allSettled(jobs.values());
    },
    status: () =>
      hosts.map((host) => {
        const { record, certificate, renewAt } = plan(host);
        return {
          host,
          ...(certificate && { issuer: certificate.issuer, notAfter: certificate.notAfter, renewAt }),
          ...(record.problem !== undefined && { problem: record.problem, nextTry: record.nextTry }),
        };
      }),
    async renew(host) {
      if (host !== undefined && !hosts.includes(host))
        throw new Error(`no certificate of ${host} is ordered here; there are those of ${hosts.join(', ')}`);
      await Promise.all((host === undefined ? hosts : [host]).map((each) => begin(each, true)));
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      stop.abort();
      await Promise.all(trusted.map((each) => each[Symbol.asyncDispose]()));
      await Promise.allSettled([looking, ...jobs.values()]);
    },
  };
}
