/** One certificate from an issuer, from the order to the chain. RFC 8555 §7.4. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Challenges } from './challenges.ts';
import { type Authorization, type Client, certificateRequest, type Order } from './client.ts';
import { AcmeProblem, problemFrom } from './problem.ts';
import { forgetWait, waitAskedFor } from './transport.ts';

export interface OrderOptions {
  readonly names: readonly string[];
  readonly keyType: 'ec256' | 'rsa2048';
  readonly challenges: Challenges;
  readonly profile: string | undefined;
  /** RFC 9773 §5: the certificate this one takes the place of. */
  readonly replaces: string | undefined;
  readonly signal: AbortSignal;
}

/** Milliseconds an issuer may take to validate, and then to issue. */
const patience = 5 * 60_000;
/** Seconds between looks: what the issuer asks for, within these. */
const shortest = 0.25;
const longest = 60;

/** Throws `AcmeProblem`. Every proof is taken away again, whatever happens. */
export async function orderCertificate(client: Client, options: OrderOptions): Promise<{ chain: string; key: string }> {
  const { names, keyType, profile, replaces, signal } = options;
  // acme-client passes on members it does not know, and its types do not say so.
  const wanted = {
    identifiers: names.map((value) => ({ type: 'dns', value })),
    ...(profile !== undefined && { profile }),
    ...(replaces !== undefined && { replaces }),
  };
  const order = await client.createOrder(wanted);
  for (const authorization of await client.getAuthorizations(order)) await prove(client, authorization, options);
  const ready = await until(
    order.url,
    () => client.getOrder(order),
    ({ status }) => status !== 'pending',
    signal,
  );
  if (ready.status === 'invalid') throw problemFrom(ready.error, 'the issuer gave the order up');
  const { key, csr } = await certificateRequest(names, keyType);
  await client.finalizeOrder(ready, csr);
  const done = await until(order.url, () => client.getOrder(order), settled, signal);
  if (done.status === 'invalid') throw problemFrom(done.error, 'the issuer gave the order up');
  return { chain: await client.getCertificate(done), key };
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
  const clear = await challenges.present(host, challenge.token, keyAuthorization);
  try {
    await client.completeChallenge(challenge);
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
  const deadline = Date.now() + patience;
  for (let step = shortest; ; step = Math.min(step * 1.5, 5)) {
    const seen = await look();
    const asked = waitAskedFor(url);
    if (done(seen)) {
      forgetWait(url);
      return seen;
    }
    if (Date.now() > deadline) throw new AcmeProblem('timeout', 'the issuer took too long to decide');
    await sleep(Math.min(Math.max(asked ?? step, shortest), longest) * 1000, undefined, { signal });
  }
}
