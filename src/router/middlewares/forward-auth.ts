/** Another service decides who may pass: Traefik's `forwardAuth`. */

import { Agent } from 'undici';
import { type Exchange, type Handler, type Middleware, type Reply, refusal, traceHeaders } from '../handler.ts';
import { headerClass } from '../header-names.ts';
import type { MiddlewareConfig } from './config.ts';

/** Milliseconds. */
const patience = 30_000;
/** Of the auth service's own answer. Bytes. */
const mostAnswer = 1024 * 1024;

type ForwardAuthConfig = NonNullable<MiddlewareConfig['forwardAuth']>;

/** The agent is the caller's to close. */
export function forwardAuth(config: ForwardAuthConfig, agent: Agent): Middleware {
  const address = new URL(config.address);
  const wanted = config.authResponseHeaders.map((name) => name.toLowerCase());
  const only = config.authRequestHeaders.map((name) => name.toLowerCase());
  return (next) => async (exchange) => {
    const gone = new AbortController();
    const leave = () => gone.abort();
    exchange.res.once('close', leave);
    let verdict: Verdict;
    try {
      const headers = question(exchange, only);
      verdict = await ask(agent, address, headers, gone.signal);
    } catch (cause) {
      // Nobody passes unasked.
      const options = { cause, headers: { 'retry-after': '5' } };
      throw refusal(503, 'temporarily_unavailable', 'the service that decides who may pass does not answer', options);
    } finally {
      exchange.res.off('close', leave);
    }
    return verdict.status >= 200 && verdict.status < 300
      ? passed(next, exchange, wanted, verdict)
      : refused(verdict, address);
  };
}

export function authAgent(): Agent {
  return new Agent({
    headersTimeout: patience,
    bodyTimeout: patience,
    connect: { timeout: 5000 },
    maxHeaderSize: 32 * 1024,
  });
}

interface Verdict {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

async function ask(agent: Agent, url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Verdict> {
  const path = `${url.pathname}${url.search}`;
  const answer = await agent.request({ origin: url.origin, path, method: 'GET', headers, signal });
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer.body) {
    length += (chunk as Buffer).length;
    if (length > mostAnswer) throw new Error('the answer of the auth service is too large');
    chunks.push(chunk as Buffer);
  }
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) };
}

/** What the client sent, without its body, and where it sent it. */
function question(
  { req, scheme, path, query, clientAddress, trace }: Exchange,
  only: readonly string[],
): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(req.headers)) {
    if (name.startsWith(':') || headerClass(name) !== 'plain' || value === undefined) continue;
    if (only.length === 0 || only.includes(name)) headers[name] = [value].flat().join(name === 'cookie' ? '; ' : ', ');
  }
  const host = req.headers[':authority'] ?? req.headers.host;
  return {
    ...headers,
    ...traceHeaders(trace),
    'x-request-id': trace.requestId,
    'x-forwarded-method': req.method ?? 'GET',
    'x-forwarded-proto': scheme,
    ...(typeof host === 'string' && { 'x-forwarded-host': host }),
    'x-forwarded-uri': `${path}${query}`,
    'x-forwarded-for': clientAddress,
  };
}

/** What the service says of the caller takes the place of what the client said, also where it says nothing. */
function passed(
  next: Handler,
  exchange: Exchange,
  wanted: readonly string[],
  { headers }: Verdict,
): ReturnType<Handler> {
  const told = Object.fromEntries(wanted.map((name) => [name, [headers[name] ?? []].flat().join(', ')]));
  return next({ ...exchange, replaced: { ...exchange.replaced, ...told } });
}

/** The refusal reaches the client as it is, a challenge or a redirect to a login included. */
function refused({ status, headers, body }: Verdict, address: URL): Reply {
  const kept = Object.entries(headers).flatMap(([name, value]): [string, string | string[]][] => {
    if (value === undefined || headerClass(name) !== 'plain') return [];
    const isRelative = name === 'location' && typeof value === 'string' && URL.canParse(value, address.href);
    return [[name, isRelative ? new URL(value, address).href : value]];
  });
  return { status, headers: Object.fromEntries(kept), body };
}
