/** One certificate from an issuer, from the order to the chain. RFC 8555 §7.4. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Challenges } from './challenges.ts';
import { type Authorization, type Client, certificateKey, certificateRequest, type Order } from './client.ts';
import { AcmeProblem, isTroubleOfIssuer, problemFrom } from './problem.ts';
import { watchWait } from './transport.ts';

export interface OrderOptions {
  readonly names: readonly string[];
  readonly keyType: 'ec256' | 'rsa2048';
  readonly challenges: Challenges;
  readonly profile: string | undefined;
  readonly signal: AbortSignal;
  /** RFC 9773 §5: the certificate this one takes the place of. */
  readonly replaces?: string | undefined;
  /** One that was left in the middle, and is gone on with where the issuer still has it. `begunAt` in milliseconds since the epoch. */
  readonly begun?: (Begun & { readonly begunAt: number }) | undefined;
  /** Told of an order that is new, before anything comes of it. */
  readonly began?: (order: Begun) => Promise<void>;
}

/** `key` is PEM, of the certificate that is to come. */
interface Begun {
  readonly url: string;
  readonly key: string;
}

/** Milliseconds an issuer may take to validate, and then to issue. */
const patience = 5 * 60_000;
/** Seconds between looks; an issuer that wants more is left alone, and asked again in a try of its own. */
const shortest = 0.25;
const longest = 60;
/** Milliseconds after which an order is not gone on with: its certificate would begin its life old. */
const stale = 86_400_000;

/** Throws `AcmeProblem`. Every proof is taken away again, whatever happens. */
export async function orderCertificate(client: Client, options: OrderOptions): Promise<{ chain: string; key: string }> {
  const { names, signal } = options;
  const { order, key } = (await left(client, options.begun)) ?? (await begin(client, options));
  if (order.status === 'pending')
    for (const authorization of await client.getAuthorizations(order)) await prove(client, authorization, options);
  const look = () => client.getOrder(order);
  const ready = await until(order.url, look, ({ status }) => status !== 'pending', signal);
  if (ready.status === 'ready') await client.finalizeOrder(ready, await certificateRequest(names, key));
  const done = await until(order.url, look, settled, signal);
  if (done.status === 'invalid') throw problemFrom(done.error, 'the issuer gave the order up');
  return { chain: await client.getCertificate(done), key };
}

async function begin(client: Client, options: OrderOptions): Promise<{ order: Order; key: string }> {
  const { names, keyType, profile, replaces } = options;
  // acme-client passes on members it does not know, and its types do not say so.
  const wanted = {
    identifiers: names.map((value) => ({ type: 'dns', value })),
    ...(profile !== undefined && { profile }),
    ...(replaces !== undefined && { replaces }),
  };
  const key = await certificateKey(keyType);
  try {
    const order = await client.createOrder(wanted);
    await options.began?.({ url: order.url, key });
    return { order, key };
  } catch (error) {
    // RFC 9773 §5: an issuer may refuse the link to the former certificate; the order goes without it.
    const refused = error instanceof AcmeProblem && ['alreadyReplaced', 'malformed'].includes(error.type);
    if (replaces === undefined || !refused) throw error;
    return begin(client, { ...options, replaces: undefined });
  }
}

/** Undefined where there is none, or the issuer has given it up or knows nothing of it any more. */
async function left(client: Client, begun: OrderOptions['begun']): Promise<{ order: Order; key: string } | undefined> {
  if (begun === undefined || Date.now() - begun.begunAt > stale) return undefined;
  try {
    const order = await client.getOrder({ url: begun.url } as Order);
    return order.status === 'invalid' ? undefined : { order, key: begun.key };
  } catch (error) {
    if (error instanceof AcmeProblem && isTroubleOfIssuer(error.type)) throw error;
    return undefined;
  }
}

async function prove(
  client: Client,
  authorization: Authorization,
  { challenges, signal }: OrderOptions,
): Promise<void> {
  if (authorization.status === 'valid') return;
  const host = authorization.identifier.value;
  const challenge = authorization.challenges.find(({ type }) => type === challenges.type);
  if (challenge === undefined) {
    const offered = authorization.challenges.map(({ type }) => type).join(', ');
    throw new AcmeProblem('unsupported', `the issuer offers no ${challenges.type} for ${host}, only ${offered}`);
  }
  const keyAuthorization = await client.getChallengeKeyAuthorization(challenge);
  const clear = await challenges.present(host, challenge.token, keyAuthorization, signal);
  try {
    // RFC 8555 §7.5.1: one that the issuer has begun to validate is not asked for again.
    if (challenge.status === 'pending') await client.completeChallenge(challenge);
    const look = async () => {
      const [fresh] = await client.getAuthorizations({ authorizations: [authorization.url] } as Order);
      return fresh ?? authorization;
    };
    const seen = await until(authorization.url, look, ({ status }) => status !== 'pending', signal);
    if (seen.status === 'valid') return;
    const failed = seen.challenges.find(({ type }) => type === challenges.type);
    throw problemFrom(failed?.error, `${host} was not found to be ours`);
  } finally {
    await clear();
  }
}

/** RFC 8555 §7.4: `ready` after finalize is a moment of the issuer's, not an end. */
function settled({ status }: Order): boolean {
  return status === 'valid' || status === 'invalid';
}

async function until<T>(
  url: string,
  look: () => Promise<T>,
  done: (seen: T) => boolean,
  signal: AbortSignal,
): Promise<T> {
  using wait = watchWait(url);
  const deadline = Date.now() + patience;
  for (let step = shortest; ; step = Math.min(step * 1.5, 5)) {
    const seen = await look();
    if (done(seen)) return seen;
    const { seconds = step } = wait;
    if (seconds > longest || Date.now() > deadline)
      throw new AcmeProblem('timeout', 'the issuer has not decided yet', { retryAfter: wait.seconds });
    await sleep(Math.max(seconds, shortest) * 1000, undefined, { signal });
  }
}
