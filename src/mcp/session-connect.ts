/** What a new legacy session is joined to: a child that was initialized, or a modern server behind a translation. */

import { randomUUID } from 'node:crypto';
import type { Log } from '../log.ts';
import type { Child, Ending } from './child.ts';
import type { Children } from './children.ts';
import type { StdioServerConfig } from './config.ts';
import { type Connect, type Connection, type ConnectionEvents, ModernOnly } from './connection.ts';
import { type Command, commandFor } from './environment.ts';
import { ping } from './message.ts';
import { modernAsLegacy } from './modern-as-legacy.ts';
import { modernChild } from './modern-child.ts';
import type { Discovered } from './modern-revision.ts';
import type { ModernServers } from './modern-servers.ts';
import { patience, probe } from './probe.ts';
import { Unavailable } from './unavailable.ts';

export interface SessionConnectOptions {
  readonly config: StdioServerConfig;
  readonly pool: Children;
  /** Children that several sessions share. Rejects with ModernOnly. */
  readonly shared: Connect;
  readonly servers: Pick<ModernServers, 'open'>;
  readonly log: Log;
}

/**
 * Most servers of the modern era speak the former revisions too, and to them a session is joined as it is. Only one that
 * refuses initialize and then answers `server/discover` is translated; the verdict is remembered (ST-18).
 */
export function sessionConnect({ config, pool, shared, servers, log }: SessionConnectOptions): Connect {
  const wait = Math.min(patience, config.requestTimeout);
  let modern = false;

  /** One session's modern server, and the child that it waits for when its client is slow. */
  const translated = (
    first: Child,
    discovered: Discovered,
    account: string,
    command: Command,
    events: ConnectionEvents,
  ): Connection => {
    let child = first;
    const serverOf = (each: Child, said: Discovered) => {
      child = each;
      const ended = ({ expected, reason, stderr }: Ending) => expected || log.warn('server ended', { reason, stderr });
      return modernChild({ child: each, discovered: said, log, ended });
    };
    const connection = modernAsLegacy({
      server: serverOf(first, discovered),
      events,
      owner: account,
      async reopen() {
        const found = await startModern(account, command);
        if (found === undefined) throw new Unavailable(502, 'the server has changed; initialize again');
        return serverOf(found.child, found.discovered);
      },
      release: (own, reason) => own.close(reason),
    });
    return {
      send: connection.send,
      backlog: () => connection.backlog(),
      hold: (on) => child.hold(on),
      suspect: connection.suspect,
      close: connection.close,
    };
  };

  /** Undefined where it turns out to speak a former revision after all. */
  const startModern = async (account: string, command: Command) => {
    const child = await pool.start(account, command);
    const verdict = await probe(child, wait);
    if (verdict.era === 'modern') return { child, discovered: verdict.discovered };
    void child.end('it does not speak a modern revision any more');
    modern = false;
    if (verdict.era === 'legacy' && !verdict.usable) pool.failed('the server ended instead of answering');
    return undefined;
  };

  const alone: Connect = async ({ caller }, account, events) => {
    const command = commandFor(config, caller);
    if (modern) {
      const found = await startModern(account, command);
      if (found) return translated(found.child, found.discovered, account, command, events);
    }
    const child = await pool.start(account, command);
    let connection: Connection = {
      send: (message) => child.send(message.bytes),
      backlog: () => child.backlog(),
      hold: child.hold,
      // No client can have thought of this id.
      suspect: () => child.suspect(ping(randomUUID()).bytes),
      close: child.end,
    };
    let initialize: Parameters<Connection['send']>[0] | undefined;

    const listen = () =>
      child.listen({
        message(message) {
          const handshake = initialize;
          if (message.kind === 'response') initialize = undefined;
          if (handshake && message.kind === 'response' && message.error !== undefined) void examine(handshake, message);
          else events.message(message);
        },
        ended(ending) {
          if (!ending.expected && !child.spoke()) pool.failed(ending.reason);
          events.ended(ending);
        },
      });
    const examine = async (handshake: Parameters<Connection['send']>[0], refusal: typeof handshake) => {
      const verdict = await probe(child, wait);
      if (verdict.era !== 'modern' || child.over()) {
        listen();
        return events.message(refusal);
      }
      modern = true;
      log.info('the server speaks the modern era only; sessions are translated');
      connection = translated(child, verdict.discovered, account, command, events);
      connection.send(handshake);
    };
    listen();
    if (child.over()) throw new Unavailable(502, 'the server ended at once');
    return {
      send(message) {
        if (message.kind === 'request' && message.method === 'initialize') initialize = message;
        connection.send(message);
      },
      backlog: () => connection.backlog(),
      hold: (on) => connection.hold?.(on),
      suspect: () => connection.suspect(),
      close: (reason) => connection.close(reason),
    };
  };

  const joint: Connect = async ({ caller, clientAddress }, _account, events) => {
    const open = () => servers.open({ ...(caller && { caller }), clientAddress }, {});
    const seat = await open();
    return modernAsLegacy({
      server: seat.server,
      events,
      owner: seat.owner,
      reopen: async () => (await open()).server,
      release: async () => {},
    });
  };

  return async (visitor, account, events) => {
    const own = config.isolation === 'session' || (config.isolation === 'caller' && !visitor.caller);
    if (own) return alone(visitor, account, events);
    if (modern) return joint(visitor, account, events);
    try {
      return await shared(visitor, account, events);
    } catch (error) {
      if (!(error instanceof ModernOnly)) throw error;
      modern = true;
      log.info('the server speaks the modern era only; sessions are translated');
      return joint(visitor, account, events);
    }
  };
}
