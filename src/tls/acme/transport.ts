/** acme-client's requests, carried by undici: with timeouts, typed problems, CAs of one's own, and no retries behind our back. */

import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import { AcmeProblem, problemFrom, retryAfterOf } from './problem.ts';

/** Milliseconds, for each request to an issuer. */
const requestTimeout = 30_000;
/** Bytes; a chain of certificates is far below. */
const largestAnswer = 1024 * 1024;

/** Seconds the issuer asked us to wait before we look at this URL again. RFC 8555 §7.4. */
const waits = new Map<string, number>();
const agents = new Map<string, Agent>();

/** This issuer's server is trusted by the CA in the file, else by the system's. Disposing breaks off what is under way with it. */
export function trust(directory: string, caFile: string | undefined): AsyncDisposable {
  const { origin } = new URL(directory);
  const connect = { timeout: 10_000, ...(caFile !== undefined && { ca: readFileSync(caFile, 'utf8') }) };
  const agent = new Agent({ connect, maxResponseSize: largestAnswer, keepAliveTimeout: 1000 });
  agents.set(origin, agent);
  return {
    async [Symbol.asyncDispose]() {
      if (agents.get(origin) === agent) agents.delete(origin);
      await agent.destroy();
    },
  };
}

export interface AcmeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** Throws `AcmeProblem` for whatever is no success, but for a refused nonce, which the client takes another for. */
export async function acmeRequest(
  url: string,
  options: { method: string; headers: Record<string, string>; body?: string } = { method: 'GET', headers: {} },
): Promise<AcmeAnswer> {
  const { origin, host } = new URL(url);
  const dispatcher = agents.get(origin);
  // RFC 8555 §7.1: a directory may name other origins; their server is trusted as the web is.
  const answer = await request(url, {
    ...options,
    method: options.method as 'GET',
    ...(dispatcher && { dispatcher }),
    signal: AbortSignal.timeout(requestTimeout),
  }).catch((error: unknown) => {
    throw unreachable(url, error);
  });
  const text = await answer.body.text().catch((error: unknown) => {
    throw unreachable(url, error);
  });
  const headers = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)]));
  const wait = retryAfterOf(headers['retry-after']);
  if (wait === undefined) waits.delete(url);
  else waits.set(url, wait);
  if (answer.statusCode >= 400) {
    const problem = problemFrom(json(text), `${host} answered ${answer.statusCode}`, wait);
    if (problem.type !== 'badNonce') throw problem;
  }
  return { status: answer.statusCode, headers, text };
}

/** Seconds; undefined where the issuer's last answer at this URL named none. */
export function waitAskedFor(url: string): number | undefined {
  return waits.get(url);
}

export function forgetWait(url: string): void {
  waits.delete(url);
}

function unreachable(url: string, error: unknown): AcmeProblem {
  const { code, message } = error as NodeJS.ErrnoException;
  return new AcmeProblem('network', `${new URL(url).host} did not answer: ${code ?? message}`, { cause: error });
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
