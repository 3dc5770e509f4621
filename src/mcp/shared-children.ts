/** Isolation `caller` and `shared`: one child for each scope, started by whoever comes first, ended when it stays empty. */

import type { Log } from '../log.ts';
import type { Child } from './child.ts';
import type { Children } from './children.ts';
import type { StdioServerConfig } from './config.ts';
import { type Connect, ModernOnly, type Visitor } from './connection.ts';
import { type Command, commandFor } from './environment.ts';
import { type Handshake, shakeHands } from './handshake.ts';
import { patience, probe } from './probe.ts';
import { type SharedChild, sharedChild } from './shared-child.ts';
import { Unavailable } from './unavailable.ts';

export interface SharedChildren extends Disposable {
  readonly connect: Connect;
}

interface Scope {
  readonly key: string;
  readonly account: string;
  readonly subject: string;
  readonly command: Command;
}

export function sharedChildren(config: StdioServerConfig, pool: Children, log: Log): SharedChildren {
  const running = new Map<string, Promise<SharedChild>>();
  const lingering = new Map<SharedChild, NodeJS.Timeout>();
  const strangers = config.isolation === 'shared';
  let anonymous = 0;

  const scopeOf = ({ caller }: Visitor, account: string): Scope => {
    const command = commandFor(config, caller);
    const subject = caller ? `user ${caller.subject}` : `anonymous ${++anonymous}`;
    if (strangers) return { key: '', account: 'everybody', subject, command };
    return { key: JSON.stringify([subject, command.args, command.env]), account, subject, command };
  };

  const initialize = async (child: Child): Promise<Handshake> => {
    try {
      return await shakeHands(child, config.requestTimeout);
    } catch (error) {
      const refused = error instanceof Unavailable && error.status === 502 && !child.over();
      const verdict = refused ? await probe(child, Math.min(patience, config.requestTimeout)) : undefined;
      void child.end('it did not initialize');
      if (verdict?.era === 'modern') throw new ModernOnly('the server speaks the modern era only', { cause: error });
      if (error instanceof Unavailable) pool.failed(error.message);
      throw error;
    }
  };

  const start = async ({ account, command }: Scope, forget: () => void): Promise<SharedChild> => {
    const child = await pool.start(account, command);
    const handshake = await initialize(child);
    const shared = sharedChild({
      child,
      handshake,
      log,
      strangers,
      ended(ending) {
        forget();
        clearTimeout(lingering.get(shared));
        lingering.delete(shared);
        // Of a server that one caller has to himself the others hear nothing, whatever he does to it.
        if (strangers && !ending.expected) pool.failed(ending.reason);
      },
      empty() {
        const end = () => {
          lingering.delete(shared);
          forget();
          void child.end('nobody needs it any more');
        };
        lingering.set(shared, setTimeout(end, config.idleTimeout * 1000));
      },
    });
    return shared;
  };

  /** Whoever comes while it starts waits for the same one. */
  const acquire = (scope: Scope): Promise<SharedChild> => {
    const there = running.get(scope.key);
    if (there !== undefined) return there;
    const forget = () => {
      if (running.get(scope.key) === started) running.delete(scope.key);
    };
    const started = start(scope, forget);
    running.set(scope.key, started);
    started.catch(forget);
    return started;
  };

  return {
    async connect(exchange, account, events) {
      const scope = scopeOf(exchange, account);
      const shared = await acquire(scope);
      if (shared.over()) throw new Unavailable(502, 'the server ended');
      clearTimeout(lingering.get(shared));
      lingering.delete(shared);
      return shared.join(scope.subject, events);
    },
    [Symbol.dispose]() {
      for (const timer of lingering.values()) clearTimeout(timer);
      lingering.clear();
    },
  };
}
