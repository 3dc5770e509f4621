/** sd_notify(3): tells systemd how the service does, where the unit asked to be told. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Log } from '../log.ts';

export interface ServiceManager extends AsyncDisposable {
  /** Requests are answered. `status` is shown by `systemctl status`. */
  ready(status: string): void;
  /** The configuration is being read anew; `ready` is to follow. */
  reloading(): void;
  stopping(): void;
}

export interface ServiceManagerOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  /** Settles when the service is well enough to go on, which is not to say that all is well. */
  alive(): Promise<unknown>;
}

/** Silent where nobody asked. Disposing ends the watchdog and waits until all has been told. */
export function serviceManager({ env, log, alive }: ServiceManagerOptions): ServiceManager {
  let last = Promise.resolve();
  /** One message after the other: READY before RELOADING would mean the opposite. */
  const tell = (...assignments: string[]) => {
    if (env.NOTIFY_SOCKET !== undefined) last = last.then(() => notify(assignments, env, log));
    return last;
  };

  let asked = false;
  const every = watchdogInterval(env);
  const watchdog =
    every === undefined
      ? undefined
      : setInterval(async () => {
          // The former question is still open: whatever holds it up is what the watchdog is for.
          if (asked) return;
          asked = true;
          await alive().catch(() => {});
          await tell('WATCHDOG=1');
          asked = false;
        }, every);
  watchdog?.unref();

  return {
    ready: (status) => void tell('READY=1', `STATUS=${status}`),
    reloading: () => void tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => void tell('STOPPING=1', 'STATUS=letting requests in flight finish'),
    async [Symbol.asyncDispose]() {
      clearInterval(watchdog);
      await last;
    },
  };
}

/** sd_watchdog_enabled(3): half the time it allows, in milliseconds, where this process is meant. */
function watchdogInterval({ WATCHDOG_USEC, WATCHDOG_PID, NOTIFY_SOCKET }: NodeJS.ProcessEnv): number | undefined {
  const allowed = Number(WATCHDOG_USEC) / 1000;
  const ours = WATCHDOG_PID === undefined || WATCHDOG_PID === String(process.pid);
  return NOTIFY_SOCKET !== undefined && ours && allowed > 0 ? allowed / 2 : undefined;
}

/** By systemd's own program, since Node has no datagram sockets in the file system; it waits until systemd has read it. */
async function notify(assignments: readonly string[], env: NodeJS.ProcessEnv, log: Log): Promise<void> {
  try {
    const sender = spawn('systemd-notify', assignments, { stdio: 'ignore', env });
    const [code] = await once(sender, 'exit');
    if (code !== 0) throw new Error(`systemd-notify ended with ${code}`);
  } catch (error) {
    log.warn('systemd is not told how the service does; is systemd-notify installed?', { error });
  }
}
