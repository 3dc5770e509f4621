/** The session table of one server: who owns which session, how many there may be, and when an abandoned one ends. */

import { randomBytes } from 'node:crypto';
import type { Log } from '../log.ts';
import type { Exchange } from '../router/handler.ts';
import type { Called } from './called.ts';
import type { Ending } from './child.ts';
import type { BridgeLimits, StdioServerConfig } from './config.ts';
import type { Connect, Connection } from './connection.ts';
import { finishStream } from './event-stream.ts';
import type { Id, Message } from './message.ts';
import { close, fail, isBusy, openSession, type Session, type SessionOptions, sweep } from './session.ts';
import { receive } from './session-receive.ts';
import { toolPolicy } from './tool-policy.ts';
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
  /** How many each account has, with those that are being opened. */
  const counts = new Map<string, number>();
  const closing = new Set<Promise<void>>();
  let taken = 0;
  let disposed = false;

  const count = (account: string, more: 1 | -1) => {
    const left = (counts.get(account) ?? 0) + more;
    taken += more;
    if (left > 0) counts.set(account, left);
    else counts.delete(account);
  };

  const common: SessionOptions = {
    log,
    limits,
    called,
    policy: toolPolicy(config.tools),
    requestTimeout: config.requestTimeout,
    closed({ id, account }) {
      table.delete(id);
      count(account, -1);
    },
  };

  const end = (session: Session, reason: string, status?: number) => {
    const ended = close(session, reason, status).finally(() => closing.delete(ended));
    closing.add(ended);
    return ended;
  };

  /** Of one caller the longest unused session makes room: clients seldom say that they are done. */
  const admit = (account: string): Promise<void> | undefined => {
    if (disposed) throw new Unavailable(503, 'the gateway is stopping', { retryAfter: 5 });
    if (taken >= config.maxSessions) {
      throw new Unavailable(503, 'the server has as many sessions as it may', { retryAfter: 30 });
    }
    const most = Math.min(
      limits.sessionsPerCaller,
      config.isolation === 'session' ? limits.childrenPerCaller : Number.POSITIVE_INFINITY,
    );
    if ((counts.get(account) ?? 0) < most) return undefined;
    const unused = [...table.values()].filter((session) => session.account === account && !isBusy(session));
    const [quiet] = unused.toSorted((a, b) => a.lastUsed - b.lastUsed);
    if (!quiet) throw new Unavailable(429, 'you have as many sessions at this server as you may', { retryAfter: 30 });
    return end(quiet, 'given up for a newer session of the same caller');
  };

  const sweepAll = () => {
    const now = Date.now();
    for (const session of table.values()) {
      sweep(session);
      if (isBusy(session)) continue;
      const idle = (now - session.lastUsed) / 1000;
      const allowed = session.confirmed ? config.idleTimeout : Math.min(config.idleTimeout, unconfirmed);
      if (idle >= allowed) void end(session, 'idle for too long');
      else if ((now - session.openedAt) / 1000 >= limits.sessionLifetime) void end(session, 'too old');
    }
  };
  const every = Math.min(config.idleTimeout, limits.keepAlive, limits.stalled) / 3;
  const sweeper = setInterval(sweepAll, Math.max(20, every * 1000));

  return {
    quiesce() {
      for (const { standing } of table.values()) finishStream(standing);
    },
    async open(exchange) {
      const account = accountOf(exchange);
      const room = admit(account);
      count(account, 1);
      // MCP 2025-11-25 transports, session management: unguessable, visible ASCII. 192 bits.
      const random = randomBytes(24).toString('base64url');
      const id = gatewayId === undefined ? random : `${gatewayId}.${random}`;
      const early: [Message, Id | null | undefined][] = [];
      let session: Session | undefined;
      let ending: Ending | undefined;
      let connection: Connection;
      try {
        await room;
        connection = await connect(exchange, account, {
          message(message, about) {
            if (session) receive(session, message, about);
            else early.push([message, about]);
          },
          ended(how) {
            ending = how;
            if (session) fail(session, how);
          },
        });
      } catch (error) {
        count(account, -1);
        throw error;
      }
      session = openSession(common, { id, caller: exchange.caller, account, connection });
      table.set(id, session);
      for (const [message, about] of early.splice(0)) receive(session, message, about);
      if (ending) fail(session, ending);
      if (disposed) await close(session, 'the gateway is stopping', 503);
      return session;
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
      await Promise.all([...table.values()].map((session) => end(session, 'the gateway is stopping', 503)));
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
