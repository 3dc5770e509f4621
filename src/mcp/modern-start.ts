/** Starts a child for modern requests and finds out which era it speaks (ST-17); the verdict is remembered (ST-18). */

import type { Log } from '../log.ts';
import type { Children } from './children.ts';
import type { StdioServerConfig } from './config.ts';
import type { Command } from './environment.ts';
import { modernChild } from './modern-child.ts';
import type { ModernServer } from './modern-server.ts';
import { probe } from './probe.ts';
import { rpcRefusal, Unavailable } from './unavailable.ts';

export interface ModernStart {
  /** Rejects with Unavailable, or with a Refusal that sends a client back to the handshake. */
  server(wanted: Wanted): Promise<ModernServer>;
  /** What of a client's capabilities a server has to be started for; the same for all where it does not matter. */
  split(capabilities: unknown): string;
}

export interface Wanted {
  /** Whom the child counts against. */
  readonly account: string;
  readonly command: Command;
  readonly capabilities: unknown;
}

/** Seconds a server may take to answer the probe: a package runner may have to fetch it first, and a legacy one may never answer. */
const patience = 20;

export function modernStart(config: StdioServerConfig, pool: Children, log: Log): ModernStart {
  let legacy = false;

  return {
    async server({ account, command }) {
      if (!legacy) {
        const child = await pool.start(account, command);
        const verdict = await probe(child, Math.min(patience, config.requestTimeout));
        if (verdict.era === 'modern') {
          return modernChild({
            child,
            discovered: verdict.discovered,
            log,
            ended({ expected, reason, stderr }) {
              if (expected) return;
              log.warn('server ended', { reason, stderr });
              // Of a server that one caller has to himself the others hear nothing, whatever he does to it.
              if (config.isolation === 'shared') pool.failed(reason);
            },
          });
        }
        await child.end('it does not speak a modern revision');
        if (verdict.era === 'unknown') {
          throw new Unavailable(502, `the server speaks only ${verdict.versions.join(', ')}`);
        }
        legacy = true;
      }
      // 2026-07-28 streamable HTTP, backward compatibility: no modern error, so that the client falls back to initialize.
      throw rpcRefusal(400, 'this server speaks revisions up to 2025-11-25; initialize first');
    },
    split: () => '',
  };
}
