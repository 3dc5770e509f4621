/** The session table of one server: who owns which session, how many there may be, and when an abandoned one ends. */

import { randomBytes } from 'node:crypto';
import type { Log } from '../log.ts';
import type { Exchange } from '../router/handler.ts';
import type { Called } from './called.ts';
import type { BridgeLimits, StdioServerConfig } from './config.ts';
import type { Connect } from './connection.ts';
import { openSession, type Session } from './session.ts';
import { type ToolPolicy, toolPolicy } from './tool-policy.ts';
import { Unavailable } from './unavailable.ts';

export interface Sessions extends AsyncDisposable {
  /** A session bound to its caller. Rejects with Unavailable where a cap forbids it or there is no server to be had. */
  open(exchange: Exchange): Promise<Session>;
  /** Of this caller; another's is as unknown as one that never was. Throws Unavailable while the gateway stops. */
  find(exchange: Exchange, id: string): Session | undefined;
  readonly size: number;
  /** Ends the streams that belong to no request, for a gateway that is about to stop; calls go on. */
  quiesce(): void;
}

export interface SessionsOptions {
  readonly config: StdioServerConfig;
  readonly limits: BridgeLimits;
  readonly log: Log;
  readonly connect: Connect;
  readonly called: Called;
  /** Tells which gateway has the session, where there are several. */
  readonly gatewayId?: string | undefined;
}

/** A session whose client never confirmed it ends after this many seconds, if not earlier. */
const unconfirmed = 60;

export function sessions({ config, limits, log, connect, called, gatewayId }: SessionsOptions): Sessions {
  const table = new Map<string, Session>();
  const opening = new Map<symbol, string>();
  const closing = new Set<Promise<void>>();
  const policy: ToolPolicy = toolPolicy(config.tools);
  let disposed = false;

  const close = (session: Session, reason: string, status?: number) => {
    const end = session.close(reason, status).finally(() => closing.delete(end));
    closing.add(end);
    return end;
  };

  /** Of one caller the longest unused session makes room: clients seldom say that they are done. */
  const admit = (account: string): Promise<void> | undefined => {
    if (disposed) throw new Unavailable(503, 'the gateway is stopping', { retryAfter: 5 });
    const own = [...table.values()].filter((session) => session.account === account);
    const coming = [...opening.values()].filter((of) => of === account).length;
    if (table.size + opening.size >= config.maxSessions) {
      throw new Unavailable(503, 'the server has as many sessions as it may', { retryAfter: 30 });
    }
    const most = Math.min(
      limits.sessionsPerCaller,
      config.isolation === 'session' ? limits.childrenPerCaller : Number.POSITIVE_INFINITY,
    );
    if (own.length + coming < most) return undefined;
    const quiet = own.filter((session) => !session.busy).toSorted((a, b) => a.lastUsed - b.lastUsed)[0];
    if (!quiet) throw new Unavailable(429, 'you have as many sessions at this server as you may', { retryAfter: 30 });
    return close(quiet, 'given up for a newer session of the same caller');
  };

  const sweep = () => {
    const now = Date.now();
    for (const session of table.values()) {
      session.sweep();
      if (session.busy) continue;
      const idle = (now - session.lastUsed) / 1000;
      const allowed = session.confirmed ? config.idleTimeout : Math.min(config.idleTimeout, unconfirmed);
      if (idle >= allowed) void close(session, 'idle for too long');
      else if ((now - session.openedAt) / 1000 >= limits.sessionLifetime) void close(session, 'too old');
    }
  };
  const every = Math.min(config.idleTimeout, limits.keepAlive, limits.stalled) / 3;
  const sweeper = setInterval(sweep, Math.max(20, every * 1000));

  return {
    quiesce() {
      for (const session of table.values()) session.standing.finish();
    },
    async open(exchange) {
      const account = accountOf(exchange);
      const room = admit(account);
      const claim = Symbol(account);
      opening.set(claim, account);
      try {
        await room;
        // MCP 2025-11-25 transports, session management: unguessable, visible ASCII. 192 bits.
        const random = randomBytes(24).toString('base64url');
        const id = gatewayId === undefined ? random : `${gatewayId}.${random}`;
        const early: Parameters<Session['receive']>[] = [];
        let session: Session | undefined;
        let ended: Parameters<Session['failed']>[0] | undefined;
        const connection = connect(exchange, account, {
          message: (...said) => (session ? session.receive(...said) : early.push(said)),
          ended: (ending) => {
            ended = ending;
            session?.failed(ending);
          },
        });
        session = await openSession({
          id,
          caller: exchange.caller,
          account,
          called,
          connection,
          limits,
          policy,
          log: log.with({ session: random.slice(0, 6) }),
          requestTimeout: config.requestTimeout,
          closed: () => table.delete(id),
        });
        table.set(id, session);
        for (const said of early) session.receive(...said);
        if (ended) session.failed(ended);
        if (disposed) await session.close('the gateway is stopping', 503);
        return session;
      } finally {
        opening.delete(claim);
      }
    },
    find(exchange, id) {
      if (disposed) throw new Unavailable(503, 'the gateway is stopping', { retryAfter: 5 });
      const session = table.get(id);
      return session && isOwner(session, exchange) ? session : undefined;
    },
    get size() {
      return table.size;
    },
    async [Symbol.asyncDispose]() {
      disposed = true;
      clearInterval(sweeper);
      await Promise.all([...table.values()].map((session) => close(session, 'the gateway is stopping', 503)));
      await Promise.all(closing);
    },
  };
}

/** TR-22: a session id is no credential; whoever uses it must be whom it was given to, a person and a client. */
function isOwner({ caller: owner }: Session, { caller }: Exchange): boolean {
  return caller?.subject === owner?.subject && caller?.clientId === owner?.clientId;
}

/** Whom a session counts against: a user with all clients, else an address. */
function accountOf({ caller, clientAddress }: Exchange): string {
  return caller ? `user ${caller.subject}` : `address ${clientAddress}`;
}
