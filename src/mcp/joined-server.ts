/** One configured server as its clients are joined to it, whatever they come by: sessions, and requests that stand by themselves. */

import type { Log } from '../log.ts';
import type { Child } from './child.ts';
import { type Children, children } from './children.ts';
import type { BridgeLimits, StdioServerConfig } from './config.ts';
import type { Connect } from './connection.ts';
import type { Command } from './environment.ts';
import { type ModernServers, modernServers } from './modern-servers.ts';
import { modernStart } from './modern-start.ts';
import type { Reaper } from './reaper.ts';
import { sessionConnect } from './session-connect.ts';
import { sharedChildren } from './shared-children.ts';

export interface JoinedServer extends AsyncDisposable {
  readonly pool: Pick<Children, 'status'>;
  /** Of the sessions era. */
  readonly join: Connect;
  /** Of the modern era. */
  readonly servers: Pick<ModernServers, 'open'>;
}

export interface JoinedServerOptions {
  readonly config: StdioServerConfig;
  readonly log: Log;
  readonly reaper: Reaper;
  readonly limits: BridgeLimits;
  /** In place of a process: a connection to a server elsewhere. */
  readonly connect?: ((command: Command) => Child) | undefined;
}

/** Seconds that a server may take for it, once it has left a call without an answer. */
const signOfLife = 10;

export function joinedServer({ config, log, reaper, limits, connect }: JoinedServerOptions): JoinedServer {
  const pool = children({
    config,
    log,
    reaper,
    message: limits.message,
    grace: limits.childGrace,
    silence: Math.min(signOfLife, config.requestTimeout),
    perOwner: limits.childrenPerCaller,
    connect,
  });
  const shared = sharedChildren(config, pool, log);
  const servers = modernServers({ config, limits, start: modernStart(config, pool, log) });
  return {
    pool,
    servers,
    join: sessionConnect({ config, pool, shared: shared.connect, servers, log }),
    async [Symbol.asyncDispose]() {
      const closing = servers[Symbol.asyncDispose]();
      await pool[Symbol.asyncDispose]();
      await closing;
      shared[Symbol.dispose]();
    },
  };
}
