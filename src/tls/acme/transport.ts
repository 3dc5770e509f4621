/** acme-client's requests, carried by undici: with timeouts, typed problems, CAs of one's own, and no retries behind our back. */

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import { AcmeProblem, problemFrom, retryAfterOf } from './problem.ts';

/** Milliseconds, for each request to an issuer. */
const requestTimeout = 30_000;
/** What OpenSSL says of a certificate by this machine's time, and of one whose authority it does not know. */
const untimely = new Set(['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED']);
const untrusted = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);
/** Bytes; a chain of certificates is far below. */
const largestAnswer = 1024 * 1024;

/** Of the URLs that are looked at again and again. */
const waits = new Map<string, Wait>();
const agents = new Map<string, Agent>();

/** PEM. Throws one sentence where the file cannot be used. */
export function authorityIn(caFile: string): string {
  try {
    const pem = readFileSync(caFile, 'utf8');
    new X509Certificate(pem);
    return pem;
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`tls.acme.caFile ${caFile} is no certificate that can be read: ${message}`, { cause: error });
  }
}

/** This issuer's server is trusted by the authority in this PEM, else by the system's. Disposing breaks off what is under way with it. */
export function trust(directory: string, ca: string | undefined): AsyncDisposable {
  const { origin } = new URL(directory);
  const connect = { timeout: 10_000, ...(ca !== undefined && { ca }) };
  const agent = new Agent({ connect, maxResponseSize: largestAnswer, keepAliveTimeout: 1000 });
  agents.set(origin, agent);
  return {
    async [Symbol.asyncDispose]() {
      if (agents.get(origin) === agent) agents.delete(origin);
      await agent.destroy();
    },
  };
}

interface Wait {
  /** Undefined where the issuer named none. */
  seconds: number | undefined;
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
  const watched = waits.get(url);
  if (watched !== undefined) watched.seconds = wait;
  if (answer.statusCode >= 400) {
    const problem = problemFrom(json(text), `${host} answered ${answer.statusCode}`, wait);
    if (problem.type !== 'badNonce') throw problem;
  }
  return { status: answer.statusCode, headers, text };
}

/** Until it is disposed: how long the issuer's last answer at this URL asked to wait before the next look. RFC 8555 §7.5.1. */
export function watchWait(url: string): Readonly<Wait> & Disposable {
  const wait: Wait = { seconds: undefined };
  waits.set(url, wait);
  return {
    get seconds() {
      return wait.seconds;
    },
    [Symbol.dispose]: () => void waits.delete(url),
  };
}

function unreachable(url: string, error: unknown): AcmeProblem {
  const { code, message } = innermost(error) as NodeJS.ErrnoException;
  const type = untimely.has(code ?? '') ? 'clock' : untrusted.has(code ?? '') ? 'untrusted' : 'network';
  return new AcmeProblem(type, `${new URL(url).host} did not answer: ${typeof code === 'string' ? code : message}`, {
    cause: error,
  });
}

/** Where several addresses were tried each failed by itself. */
function innermost(error: unknown): unknown {
  return error instanceof AggregateError ? error.errors[0] : error;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
