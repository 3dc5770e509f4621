/** All children of one configured server: caps, back-off after failures, one started ahead, and their end. */

import { backoff, recentFailures } from './backoff.ts';
import { type Child, type ChildOptions, SpawnFailure, startChild } from './child.ts';
import { type StdioServerConfig, usesCaller } from './config.ts';
import { type Command, commandFor } from './environment.ts';
import { Unavailable } from './unavailable.ts';

export interface Children extends AsyncDisposable {
  /**
   * A child that has not been spoken to. `owner` is whom it counts against. Rejects with Unavailable: 429 or 503 with a
   * time to wait where a cap or the back-off forbids it, 502 where the command cannot be started.
   */
  start(owner: string, command: Command): Promise<Child>;
  /** One of them failed before it was of any use, or fails all who share it. */
  failed(reason: string): void;
  status(): ChildrenStatus;
}

export interface ChildrenStatus {
  /** `upstream`: a server with a life of its own. */
  readonly state: 'ready' | 'backing off' | 'stopped' | 'upstream';
  /** Seconds until the next try, where the state is not ready. */
  readonly retryIn: number;
  readonly lastFailure?: string;
  readonly children: readonly { readonly pid: number; readonly startedAt: number; readonly owner: string }[];
}

export interface ChildrenOptions extends ChildOptions {
  readonly config: StdioServerConfig;
  /** Makes one of them. Where it is no process but a connection, its failures are the server's own: there is nothing to restart. */
  readonly connect?: ((command: Command) => Child) | undefined;
  readonly perOwner: number;
}

export function children(options: ChildrenOptions): Children {
  const { config, log, connect } = options;
  const live = new Map<symbol, { child?: Child; owner: string }>();
  const ends = new Set<Promise<void>>();
  let failures: readonly number[] = [];
  let lastFailure: string | undefined;
  let spare: Promise<Child> | undefined;
  let disposed = false;

  const now = () => Date.now() / 1000;

  const failed = (reason: string) => {
    if (connect) return log.warn('server failed', { reason });
    failures = [...recentFailures(failures, now()), now()];
    lastFailure = reason;
    const { wait, stopped } = backoff(failures, now());
    if (stopped) log.error('server stopped: it fails again and again', { reason, retryIn: Math.ceil(wait) });
    else log.warn('server failed', { reason, retryIn: Math.ceil(wait) });
  };

  /** The claim is taken before the first await, so that a burst cannot pass the caps together. */
  const launch = async (owner: string, command: Command): Promise<Child> => {
    const claim = Symbol(owner);
    const entry: { child?: Child; owner: string } = { owner };
    live.set(claim, entry);
    try {
      const child = connect?.(command) ?? (await startChild(command, options));
      entry.child = child;
      log.debug('child started', { pid: child.pid });
      const ended = child.gone.then(() => {
        live.delete(claim);
        ends.delete(ended);
      });
      ends.add(ended);
      if (!disposed) return child;
      await child.end();
      throw new Unavailable(503, 'the gateway is stopping', { retryAfter: 5 });
    } catch (error) {
      live.delete(claim);
      if (!(error instanceof SpawnFailure)) throw error;
      failed(error.message);
      throw new Unavailable(502, error.message, { cause: error });
    }
  };

  const check = (owner: string) => {
    if (disposed) throw new Unavailable(503, 'the gateway is stopping', { retryAfter: 5 });
    const { wait, stopped } = backoff(failures, now());
    if (wait > 0) {
      const text = stopped
        ? 'the server fails again and again and was stopped'
        : 'the server failed and is about to be tried again';
      throw new Unavailable(503, text, { retryAfter: wait });
    }
    let own = 0;
    for (const entry of live.values()) if (entry.owner === owner) own++;
    if (own >= options.perOwner)
      throw new Unavailable(429, 'you run as many children of this server as you may', { retryAfter: 30 });
    if (live.size - (spare ? 1 : 0) >= config.maxChildren)
      throw new Unavailable(503, 'the server runs as many children as it may', { retryAfter: 30 });
  };

  /** Only for a command that is the same for everybody. */
  const prepare = () => {
    if (
      disposed ||
      spare ||
      !config.spare ||
      usesCaller(config) ||
      live.size >= config.maxChildren ||
      backoff(failures, now()).wait > 0
    )
      return;
    const started = launch('', commandFor(config, undefined));
    spare = started;
    const forget = () => {
      if (spare === started) spare = undefined;
    };
    started.then((child) => child.gone).then(forget, forget);
  };

  const takeSpare = async (owner: string): Promise<Child | undefined> => {
    const ahead = spare;
    spare = undefined;
    const child = await ahead?.catch(() => undefined);
    if (child === undefined || child.over()) return undefined;
    for (const entry of live.values()) if (entry.child === child) entry.owner = owner;
    return child;
  };

  prepare();
  return {
    async start(owner, command) {
      check(owner);
      const child = (await takeSpare(owner)) ?? (await launch(owner, command));
      prepare();
      return child;
    },
    failed,
    status() {
      const { wait, stopped } = backoff(failures, now());
      const started = [...live.values()].flatMap(({ child, owner }) =>
        child?.pid === undefined ? [] : [{ pid: child.pid, startedAt: child.startedAt, owner }],
      );
      return {
        state: stopped ? 'stopped' : wait > 0 ? 'backing off' : 'ready',
        retryIn: Math.ceil(wait),
        ...(lastFailure !== undefined && { lastFailure }),
        children: started,
      };
    },
    async [Symbol.asyncDispose]() {
      disposed = true;
      await spare?.catch(() => undefined);
      await Promise.all([...live.values()].map(({ child }) => child?.end('the gateway is stopping')));
      await Promise.all(ends);
    },
  };
}
