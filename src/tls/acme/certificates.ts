/** Keeps one certificate for each host: got, installed, renewed, and in the store for every gateway on it. */

import { createHash } from 'node:crypto';
import type { Log } from '../../log.ts';
import type { Store } from '../../store/store.ts';
import { type Certificate, covers } from '../certificate.ts';
import type { AcmeConfig } from '../config.ts';
import { atOnce } from './at-once.ts';
import { waitAfter } from './back-off.ts';
import { type CertificateRecord, certificateIn, certificateRecords, untried } from './certificate-record.ts';
import type { Challenges } from './challenges.ts';
import { issuers } from './issuers.ts';
import { certificateLeases } from './lease.ts';
import { AcmeProblem, mendFor } from './problem.ts';
import { adviceFor, renewalTime, restUntil } from './renewal.ts';

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
  /** Whether the operator's own certificate stands for this host now, so that none is ordered. */
  covered?(host: string): boolean;
  /** Gets all that can be served now, whenever that changes. */
  changed(certificates: readonly Certificate[]): void;
}

/** Milliseconds between looks at the plan, and at what another gateway has got. */
const lookEvery = 30_000;
/** Orders under way at once. */
const mostAtOnce = 4;
/** Milliseconds that clocks may differ. */
const skew = 5 * 60_000;

/** Resolves when what the store has is served; what is missing is ordered behind. */
export async function certificates(config: AcmeConfig, deps: CertificatesDeps): Promise<Certificates> {
  const { challenges, store, log } = deps;
  const hosts = notCoveredByWildcard(deps.hosts);
  const records = certificateRecords(store);
  const lease = certificateLeases(store);
  const known = new Map<string, { readonly record: CertificateRecord; readonly certificate?: Certificate }>();
  const jobs = new Map<string, Promise<void>>();
  /** To be ordered whatever the plan says. */
  const forced = new Set<string>();
  const queue = atOnce(mostAtOnce);
  const setting = createHash('sha256').update(JSON.stringify(config)).digest('base64url');
  const stop = new AbortController();
  await using opening = new AsyncDisposableStack();
  const asked = opening.use(issuers(config, { challenges, store, log, signal: stop.signal }));

  const serve = () => deps.changed([...known.values()].flatMap(({ certificate }) => certificate ?? []));
  /** True where another certificate is to be served now. */
  const learn = (host: string, record: CertificateRecord): boolean => {
    const former = known.get(host);
    const same = former !== undefined && former.record.chain === record.chain;
    const certificate = same ? former.certificate : certificateIn(record);
    known.set(host, { record, ...(certificate && { certificate }) });
    return certificate !== former?.certificate;
  };
  const keep = async (host: string, record: CertificateRecord) => {
    await records.set(host, record);
    if (learn(host, record)) serve();
  };
  /** What a store has lost is still served, and is in it again after the next change. */
  const recordOf = async (host: string) => (await records.get(host)) ?? known.get(host)?.record ?? untried;
  const read = async () => {
    const before = new Map(known);
    const found = await Promise.all(hosts.map(async (host) => ({ host, record: await recordOf(host) })));
    const news = found
      // What was learnt meanwhile is newer.
      .filter(({ host }) => known.get(host) === before.get(host))
      .filter(({ host, record }) => learn(host, record));
    if (news.length > 0) serve();
  };

  const plan = (host: string) => {
    const { record = untried, certificate } = known.get(host) ?? {};
    const renewAt = certificate === undefined ? 0 : renewalTime(certificate, record.advice, config.renewBefore);
    return { record, certificate, renewAt, due: Math.max(renewAt, record.nextTry) };
  };
  const isUnadvised = ({ directory, advice }: CertificateRecord) =>
    directory !== undefined && (advice?.askAgainAt ?? 0) <= Date.now();

  const order = async (host: string) => {
    const { failures } = plan(host).record;
    try {
      const got = await asked.issue(host, plan(host).record, async (begun) => {
        const { order: _, ...rest } = plan(host).record;
        await keep(host, begun === undefined ? rest : { ...rest, order: begun });
      });
      await keep(host, { ...untried, ...got, ...newborn(certificateIn({ ...untried, ...got })) });
      log.info('certificate installed', { host, until: isoTime(plan(host).certificate?.notAfter ?? 0) });
    } catch (error) {
      if (stop.signal.aborted || !(error instanceof AcmeProblem)) throw error;
      const nextTry = Date.now() + waitAfter(failures + 1, error) * 1000;
      const problem = mended(error, challenges.type).message;
      const { failedWith: _, ...record } = plan(host).record;
      const failure = { failures: failures + 1, nextTry, problem };
      await keep(host, { ...record, ...failure, ...(error.retryAfter === undefined && { failedWith: setting }) });
      throw error;
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
    // RFC 9773 §4.2: a window that moves has a reason, which is for a person to know.
    if (advice?.explanation !== undefined && advice.start !== record.advice?.start)
      log.info('the issuer advises when to renew', { host, from: isoTime(advice.start ?? 0), why: advice.explanation });
    await keep(host, { ...record, advice: advice ?? { askAgainAt: now + 86_400_000 } });
  };

  /** One gateway at a time works on a name; what it gets the others find in the store. */
  const work = async (host: string) => {
    stop.signal.throwIfAborted();
    await using leased = await lease(provedAs(host));
    if (leased === undefined) {
      if (forced.has(host)) throw new Error(`${host}: another gateway is at it; look again in a minute`);
      return;
    }
    if (learn(host, await recordOf(host))) serve();
    if (!forced.has(host) && isUnadvised(plan(host).record)) await advise(host);
    if (forced.has(host) || plan(host).due <= Date.now()) await order(host);
  };
  const begin = (host: string): Promise<void> => {
    const sibling = provedAs(host) === host ? `*.${host}` : provedAs(host);
    const turn = jobs.get(sibling)?.catch(() => {}) ?? Promise.resolve();
    const job =
      jobs.get(host) ??
      turn
        .then(() => queue(() => work(host)))
        .finally(() => {
          jobs.delete(host);
          forced.delete(host);
        });
    jobs.set(host, job);
    return job;
  };

  const orderDue = () => {
    for (const host of hosts) {
      if (stop.signal.aborted) return;
      const { record, due } = plan(host);
      const idle = !jobs.has(host) && !deps.covered?.(host);
      // The problem is in the record and in the log.
      if (idle && (due <= Date.now() || isUnadvised(record))) begin(host).catch(() => {});
    }
  };
  const orderNow = (host: string) => {
    forced.add(host);
    return begin(host);
  };
  let looking: Promise<void> | undefined;
  const look = () => {
    looking ??= read()
      .then(orderDue)
      .catch((error: unknown) => log.error('certificates not looked after', { error }))
      .finally(() => {
        looking = undefined;
      });
    return looking;
  };

  await read();
  for (const host of hosts) {
    const { failedWith = setting } = plan(host).record;
    // A person has changed something, perhaps what was wrong.
    if (failedWith !== setting && !deps.covered?.(host)) orderNow(host).catch(() => {});
  }
  orderDue();
  const timer = setInterval(() => void look(), lookEvery).unref();
  const running = opening.move();
  return {
    async look() {
      await look();
      while (jobs.size > 0) await Promise.allSettled(jobs.values());
    },
    status: () =>
      hosts
        .filter((host) => !deps.covered?.(host))
        .map((host) => {
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
      const ended = await Promise.allSettled((host === undefined ? hosts : [host]).map(orderNow));
      const [error] = ended.flatMap((each): unknown[] => (each.status === 'rejected' ? [each.reason] : []));
      if (error instanceof AcmeProblem) throw mended(error, challenges.type);
      if (error !== undefined) throw error;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      stop.abort();
      await running.disposeAsync();
      await Promise.allSettled([looking, ...jobs.values()]);
    },
  };
}

/** RFC 8555 §8.4: a wildcard is proved by the record of its parent, which only one order at a time may write. */
function provedAs(host: string): string {
  return host.replace(/^\*\./, '');
}

function notCoveredByWildcard(hosts: readonly string[]): readonly string[] {
  const names = hosts.filter((host) => host.startsWith('*.'));
  return [...new Set(hosts)].filter((host) => host.startsWith('*.') || !covers({ names }, host));
}

/** What is to be kept beside a certificate that has just been got. */
function newborn(certificate: Certificate | undefined): Partial<CertificateRecord> {
  if (certificate === undefined) return {};
  const now = Date.now();
  const { notBefore, notAfter } = certificate;
  const nextTry = restUntil(certificate, now);
  if (notBefore <= now + skew && notAfter > now) return { nextTry };
  const problem = `it is good from ${isoTime(notBefore)} to ${isoTime(notAfter)}, and here it is ${isoTime(now)}`;
  return { nextTry, problem: `${problem}; ${mendFor('clock', '')}` };
}

function mended(problem: AcmeProblem, challenge: string): AcmeProblem {
  return new AcmeProblem(problem.type, `${problem.message}; ${mendFor(problem.type, challenge)}`, { cause: problem });
}

function isoTime(time: number): string {
  return new Date(time).toISOString();
}
