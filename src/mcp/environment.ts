/** What a child is started with: its arguments, and an environment that holds nothing of the gateway's own. */

import { type Caller, refusal } from '../router/handler.ts';
import type { CallerValue, StdioServerConfig } from './config.ts';

/** The variables a program needs to find its way about; all others of the gateway may be secrets. */
const inherited = ['HOME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'TMPDIR', 'TZ', 'USER'];

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Whom it is started for. */
  readonly caller?: Caller;
}

/** Fills in {"$caller"}. Refuses with 403 where the caller's name could be taken for something else than a name. */
export function commandFor(config: StdioServerConfig, caller: Caller | undefined): Command {
  const env: Record<string, string> = {};
  for (const name of inherited) {
    const value = process.env[name];
    // A shell exports functions as values that begin like this.
    if (value !== undefined && !value.startsWith('()')) env[name] = value;
  }
  for (const [name, value] of Object.entries(config.env)) env[name] = fill(value, caller);
  const args = config.args.map((value) => fill(value, caller));
  return {
    command: config.command,
    args,
    env,
    ...(config.cwd !== undefined && { cwd: config.cwd }),
    ...(caller && { caller }),
  };
}

function fill(value: CallerValue, caller: Caller | undefined): string {
  if (typeof value === 'string') return value;
  if (!caller) throw refusal(403, 'access_denied', 'this server needs to know who is calling');
  const fact = { name: caller.username, subject: caller.subject, clientId: caller.clientId }[value.$caller];
  // A leading dash would be read as an option, a control character as the end of something.
  if (/^-|\p{Cc}/u.test(fact) || fact === '') {
    throw refusal(403, 'access_denied', 'your account name cannot be handed to this server');
  }
  return fact;
}
