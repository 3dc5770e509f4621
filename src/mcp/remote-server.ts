/** An MCP server reached by HTTP, one exchange at a time: where it is, what every request carries, how an answer is read. */

import { Pool } from 'undici';
import { EventTooLong, type ServerSentEvent, serverSentEvents } from './event-source.ts';

export interface RemoteServer extends AsyncDisposable {
  /** The path and query of a reference that the server gave; undefined where it leads to another origin. */
  at(reference: string): string | undefined;
  /** Rejects where the server cannot be reached, or when `signal` says so. */
  ask(question: Question): Promise<RemoteAnswer>;
}

export interface Question {
  readonly method: 'POST' | 'GET' | 'DELETE';
  /** Where it does not go to the endpoint. */
  readonly path?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  readonly signal: AbortSignal;
}

export interface RemoteAnswer {
  readonly status: number;
  readonly sessionId: string | undefined;
  /** RFC 9110 §11.6.1: the value of WWW-Authenticate. */
  readonly challenge: string | undefined;
  /** Of an answer that is an event stream. It has to be read to its end, or the signal aborted. */
  readonly events?: AsyncGenerator<ServerSentEvent, void, void>;
  /** Of any other. Rejects with EventTooLong. */
  text(): Promise<string>;
}

export interface RemoteOptions {
  readonly url: string;
  /** Added to every request. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the longest message. */
  readonly message: number;
  /** Seconds. */
  readonly connectTimeout: number;
}

/** A redirect within the server is followed this often: `/mcp` to `/mcp/` is one. */
const mostRedirects = 2;

export function remoteServer({ url, headers: added, message, connectTimeout }: RemoteOptions): RemoteServer {
  const endpoint = new URL(url);
  let path = `${endpoint.pathname}${endpoint.search}`;
  // Calls and streams are timed by whoever waits for them.
  const pool = new Pool(endpoint.origin, {
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: connectTimeout * 1000 },
  });

  const once = ({ method, headers, body, signal, path: other }: Question) =>
    pool.request({
      method,
      path: other ?? path,
      headers: { ...added, ...headers, ...(body && { 'content-type': 'application/json' }) },
      body: body ?? null,
      signal,
    });

  const at = (reference: string): string | undefined => {
    const target = URL.parse(reference, new URL(path, endpoint).href);
    return target?.origin === endpoint.origin ? `${target.pathname}${target.search}` : undefined;
  };

  /** Where the server says that its endpoint is, if that is on the same server. */
  const moved = (status: number, location: unknown): string | undefined =>
    [301, 302, 307, 308].includes(status) && typeof location === 'string' ? at(location) : undefined;

  return {
    at,
    async ask(question) {
      let answer = await once(question);
      for (let left = mostRedirects; left > 0; left--) {
        const target = moved(answer.statusCode, answer.headers.location);
        if (target === undefined) break;
        await answer.body.dump();
        path = target;
        answer = await once(question);
      }
      const { statusCode: status, headers, body } = answer;
      const session = headers['mcp-session-id'];
      const challenges = headers['www-authenticate'];
      const isStream = /^text\/event-stream\b/i.test(String(headers['content-type'] ?? ''));
      return {
        status,
        sessionId: typeof session === 'string' ? session : undefined,
        challenge: Array.isArray(challenges) ? challenges.join(', ') : challenges,
        ...(isStream && { events: serverSentEvents(body, message) }),
        async text() {
          const parts: Buffer[] = [];
          let size = 0;
          for await (const part of body as AsyncIterable<Buffer>) {
            size += part.length;
            if (size > message) throw new EventTooLong('an answer is longer than allowed');
            parts.push(part);
          }
          return Buffer.concat(parts).toString('utf8');
        },
      };
    },
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}
