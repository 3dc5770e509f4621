/** Keeps a client with the server it began with: by a cookie, or by the session id that the server gave out. */

import { createHash } from 'node:crypto';
import type { Exchange } from './handler.ts';
import { beforeHead } from './response-head.ts';
import type { ServiceConfig } from './routing-config.ts';

/** Sessions that are remembered; the one unused for longest is forgotten. */
const mostSessions = 100_000;
const longestId = 512;

export interface Identified {
  /** Tells nothing of the server's address. */
  readonly id: string;
}

export interface Sticky<T extends Identified> {
  /** The server this client is bound to, where it is bound and that one is among these. */
  bound(exchange: Exchange, among: readonly T[]): T | undefined;
  /** Binds, once the answer of the server begins. */
  bind(exchange: Exchange, server: T): void;
}

/** The same for every gateway and after every restart. */
export function serverId(url: string): string {
  return createHash('sha256').update(url).digest('hex').slice(0, 16);
}

export function sticky<T extends Identified>(config: NonNullable<ServiceConfig['sticky']>, service: string): Sticky<T> {
  return config.header === undefined ? byCookie(config.cookie ?? {}, service) : byHeader(config.header.toLowerCase());
}

type CookieConfig = NonNullable<NonNullable<ServiceConfig['sticky']>['cookie']>;

function byCookie<T extends Identified>(config: Partial<CookieConfig>, service: string): Sticky<T> {
  const name = config.name ?? `_${createHash('sha1').update(service).digest('hex').slice(0, 5)}`;
  const { httpOnly = true, sameSite = 'lax', maxAge = 0 } = config;
  const rest = `; Path=/; SameSite=${sameSite}${httpOnly ? '; HttpOnly' : ''}${maxAge > 0 ? `; Max-Age=${maxAge}` : ''}`;
  const read = ({ req }: Exchange) => {
    for (const pair of (req.headers.cookie ?? '').split(';')) {
      const equals = pair.indexOf('=');
      if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
    }
    return undefined;
  };
  return {
    bound(exchange, among) {
      const id = read(exchange);
      return id === undefined ? undefined : among.find((server) => server.id === id);
    },
    bind(exchange, { id }) {
      if (read(exchange) === id) return;
      const secure = (config.secure ?? exchange.scheme === 'https') ? '; Secure' : '';
      beforeHead(exchange.res, () => exchange.res.appendHeader('set-cookie', `${name}=${id}${rest}${secure}`));
    },
  };
}

/** MCP 2025-11-25, Transports, Session Management: the server names the session in its answer, the client in what follows. */
function byHeader<T extends Identified>(header: string): Sticky<T> {
  const sessions = new Map<string, string>();
  const remember = (session: string, id: string) => {
    sessions.delete(session);
    sessions.set(session, id);
    if (sessions.size > mostSessions) for (const [oldest] of sessions) if (sessions.delete(oldest)) break;
  };
  return {
    bound({ req }, among) {
      const session = req.headers[header];
      if (typeof session !== 'string' || session.length > longestId) return undefined;
      const id = sessions.get(session);
      // Unknown after a restart: every gateway then makes the same choice, and keeps to it.
      const server = among.find((each) => each.id === id) ?? rendezvous(session, among);
      if (server !== undefined) remember(session, server.id);
      return server;
    },
    bind({ res }, { id }) {
      beforeHead(res, (status) => {
        const session = res.getHeader(header);
        if (status < 300 && typeof session === 'string' && session.length <= longestId) remember(session, id);
      });
    },
  };
}

/** Highest random weight: where a server leaves, only its own sessions move. */
function rendezvous<T extends Identified>(session: string, among: readonly T[]): T | undefined {
  const ranked = among.map((server) => ({
    server,
    rank: createHash('sha256').update(`${session}\0${server.id}`).digest('hex'),
  }));
  return ranked.sort((a, b) => (a.rank < b.rank ? 1 : -1))[0]?.server;
}
