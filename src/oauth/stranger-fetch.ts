/**
 * Fetches JSON from a URL that a stranger chose (a client's metadata document, its `jwks_uri`), so that nobody reaches by us
 * what they could not reach themselves. Client ID Metadata Documents §6.5, RFC 7591 §5.
 */

import { promises as dns, type LookupAddress } from 'node:dns';
import type { IncomingMessage } from 'node:http';
import { isIP, type LookupFunction } from 'node:net';
import { isLoopbackAddress, isPublicAddress } from './public-address.ts';

export interface Fetched {
  readonly json: unknown;
  /** For how long it may be used again, in seconds. */
  readonly freshFor: number;
}

/** `limit` in bytes. Rejects with StrangerFailed. */
export type StrangerFetch = (url: URL, limit: number) => Promise<Fetched>;

/** `answered` tells a server that said something wrong from one that could not be asked. */
export class StrangerFailed extends Error {
  readonly answered: boolean;
  constructor(message: string, answered: boolean, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StrangerFailed';
    this.answered = answered;
  }
}

/** In milliseconds, from the first question to the last byte. */
const timeout = 5000;
/** At once, for all clients together. */
const most = 16;

/** Where the answer says nothing of it, and at most. In seconds. */
const usualFreshness = 300;
const longestFreshness = 86_400;

export function strangerFetch(options: {
  /** Loopback too: a gateway that is itself on loopback, for development. */
  readonly loopback: boolean;
  readonly resolve?: (host: string) => Promise<readonly LookupAddress[]>;
}): StrangerFetch {
  const { loopback, resolve = (host: string) => dns.lookup(host, { all: true }) } = options;
  const allowed = (address: string) => isPublicAddress(address) || (loopback && isLoopbackAddress(address));
  let running = 0;

  async function checked(host: string): Promise<readonly LookupAddress[]> {
    const addresses = await resolve(host);
    // All of them: a name with one public and one private address is meant to get past a check of the first.
    if (addresses.length === 0 || !addresses.every(({ address }) => allowed(address))) {
      throw new Error(`${host} does not lead to the public internet`);
    }
    return addresses;
  }

  /** The connection goes to the very addresses that were checked, whatever the name says a moment later. */
  const lookup: LookupFunction = (host, { all }, callback) => {
    checked(host).then(
      (addresses) => {
        const [first] = addresses;
        if (all) callback(null, [...addresses]);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error: Error) => callback(error, all ? [] : ''),
    );
  };

  async function answerOf(url: URL): Promise<IncomingMessage> {
    const { request } = await import('node:https');
    return new Promise((resolved, reject) => {
      const host = url.hostname.replace(/^\[|\]$/g, '');
      // An address is connected to without a lookup.
      if (isIP(host) !== 0 && !allowed(host)) return reject(new Error(`${host} is not on the public internet`));
      const headers = { accept: 'application/json', 'user-agent': 'mcp-gateway' };
      // No agent: nothing is kept open. No redirect is followed, since nothing here follows one.
      const outgoing = request(url, { agent: false, lookup, headers, signal: AbortSignal.timeout(timeout) }, resolved);
      outgoing.on('error', reject);
      outgoing.end();
    });
  }

  return async (url, limit) => {
    if (running >= most) throw new StrangerFailed('too many documents are being fetched', false);
    running += 1;
    try {
      const answer = await answerOf(url);
      try {
        return await read(answer, limit);
      } finally {
        answer.destroy();
      }
    } catch (error) {
      if (error instanceof StrangerFailed) throw error;
      throw new StrangerFailed('could not be fetched from the public internet', false, { cause: error });
    } finally {
      running -= 1;
    }
  };
}

async function read(answer: IncomingMessage, limit: number): Promise<Fetched> {
  const { statusCode, headers } = answer;
  // Client ID Metadata Documents §4.2: 200 and nothing else.
  if (statusCode !== 200) throw new StrangerFailed(`answered ${statusCode} instead of 200`, true);
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(headers['content-type'] ?? '')) {
    throw new StrangerFailed('is not application/json', true);
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new StrangerFailed(`is longer than ${limit} bytes`, true);
    chunks.push(chunk);
  }
  try {
    return { json: JSON.parse(Buffer.concat(chunks).toString('utf8')), freshFor: freshness(headers) };
  } catch (error) {
    throw new StrangerFailed('is not JSON', true, { cause: error });
  }
}

/** RFC 9111 §4.2: as long as the answer says, less the time it has been on its way. */
function freshness({ 'cache-control': control = '', expires, date, age }: IncomingMessage['headers']): number {
  if (/(^|[\s,])(no-store|no-cache)([\s,=]|$)/i.test(control)) return 0;
  const [, maxAge] = /(?:^|[\s,])max-age="?(\d{1,9})/i.exec(control) ?? [];
  const told =
    maxAge !== undefined
      ? Number(maxAge)
      : expires !== undefined
        ? (Date.parse(expires) - (Date.parse(date ?? '') || Date.now())) / 1000 || 0
        : usualFreshness;
  return Math.min(Math.max(0, told - (Number(age) || 0)), longestFreshness);
}
