/** What a login is to bring, and how the person is reached. */

import type { Discovered } from './discovery.ts';
import type { NamedClient } from './registration.ts';

export interface LoginOptions {
  /** A client that was registered by hand, for servers where none can register itself. */
  readonly client?: NamedClient | undefined;
  /** There is no browser on this machine: where the server can, the person types a code elsewhere. */
  readonly device: boolean;
  /** Tells the person at the terminal. */
  say(text: string): void;
}

export interface LoginRequest extends LoginOptions {
  readonly discovered: Discovered;
  readonly scope: string | undefined;
  /** The person is waited for until then. */
  readonly signal: AbortSignal;
}

/** Rejects with one sentence where the person took too long. */
export function inTime<T>({ signal }: LoginRequest, coming: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const over = () => reject(new Error('nobody has logged in in time'));
    if (signal.aborted) over();
    signal.addEventListener('abort', over);
    coming.then(resolve, reject).finally(() => signal.removeEventListener('abort', over));
  });
}
