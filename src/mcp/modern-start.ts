/** Starts a child for modern requests and finds out which era it speaks (ST-17); the verdict is remembered (ST-18). */

import type { Log } from '../log.ts';
import { boundToCaller } from './bound-to-caller.ts';
import type { Child, Ending } from './child.ts';
import type { Children } from './children.ts';
import { legacyCapabilities } from './client-capabilities.ts';
import type { StdioServerConfig } from './config.ts';
import type { Command } from './environment.ts';
import { shakeHands } from './handshake.ts';
import { legacyAsModern } from './legacy-as-modern.ts';
import { modernChild } from './modern-child.ts';
import type { ModernServer } from './modern-server.ts';
import { parkedCalls } from './parked-calls.ts';
import { patience, probe } from './probe.ts';
import { Unavailable } from './unavailable.ts';

export interface ModernStart extends Disposable {
  /** Rejects with Unavailable. */
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

/** Calls of one caller that may wait for him, and of all. */
const parkedPerOwner = 20;
const mostParked = 1000;

export function modernStart(config: StdioServerConfig, pool: Children, log: Log): ModernStart {
  const parking = parkedCalls({ life: config.requestTimeout, perOwner: parkedPerOwner, most: mostParked });
  let legacy = false;

  const ended = ({ expected, reason, stderr }: Ending) => {
    if (expected) return;
    log.warn('server ended', { reason, stderr });
    // Of a server that one caller has to himself the others hear nothing, whatever he does to it.
    if (config.isolation === 'shared') pool.failed(reason);
  };

  /** A modern server, or a child that can still be initialized. */
  const examine = async ({ account, command }: Wanted): Promise<ModernServer | Child> => {
    const child = await pool.start(account, command);
    if (legacy) return child;
    const verdict = await probe(child, Math.min(patience, config.requestTimeout));
    if (verdict.era === 'modern') {
      const modern = modernChild({ child, discovered: verdict.discovered, log, ended });
      return config.isolation === 'shared' ? boundToCaller(modern) : modern;
    }
    if (verdict.era === 'unknown') {
      void child.end('no revision in common');
      throw new Unavailable(502, `the server speaks only ${verdict.versions.join(', ')}`);
    }
    if (verdict.usable && !child.over()) return child;
    await child.end('it did not answer server/discover');
    return pool.start(account, command);
  };

  return {
    async server(wanted) {
      const found = await examine(wanted);
      if ('discovered' in found) return found;
      const capabilities = legacyCapabilities(wanted.capabilities);
      try {
        const handshake = await shakeHands(found, config.requestTimeout, capabilities);
        legacy = true;
        return legacyAsModern({ peer: found, handshake, capabilities, parking, log, ended });
      } catch (error) {
        // ST-18: perhaps it was not that old after all.
        legacy = false;
        if (error instanceof Unavailable) pool.failed(error.message);
        void found.end('it did not initialize');
        throw error;
      }
    },
    split: (capabilities) => (legacy ? JSON.stringify(legacyCapabilities(capabilities)) : ''),
    [Symbol.dispose]: () => parking[Symbol.dispose](),
  };
}
