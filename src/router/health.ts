/** Which servers of a service are fit to be asked: by asking them, and by what becomes of requests. */

import type { Log } from '../log.ts';
import { Refusal } from './handler.ts';
import type { ServiceConfig } from './routing-config.ts';

export type HealthCheck = NonNullable<ServiceConfig['healthCheck']>;
export type PassiveHealthCheck = NonNullable<ServiceConfig['passiveHealthCheck']>;

export interface Watched extends Disposable {
  /** By what it answers when asked. */
  readonly up: boolean;
}

/** Status of the answer to a GET of the path. Rejects where there is none in time. `timeout` in seconds. */
export type Probe = (path: string, timeout: number) => Promise<number>;

/** Asks until disposed. A server counts as up until `unhealthyThreshold` answers in a row were bad. */
export function watched(name: string, probe: Probe, config: HealthCheck, log: Log): Watched {
  let up = true;
  let against = 0;
  let timer: NodeJS.Timeout | undefined;
  let disposed = false;
  const once = async () => {
    const detail = await fitness(probe, config);
    if (disposed) return;
    const fit = detail === undefined;
    against = fit === up ? 0 : against + 1;
    if (against >= (up ? config.unhealthyThreshold : config.healthyThreshold)) {
      up = fit;
      against = 0;
      if (up) log.info('server is healthy again', { server: name });
      else log.warn('server is not healthy', { server: name, reason: detail });
    }
    schedule(up && against === 0 ? config.interval : (config.unhealthyInterval ?? config.interval));
  };
  const schedule = (seconds: number) => {
    timer = setTimeout(() => void once(), seconds * 1000).unref();
  };
  schedule(0);
  return {
    get up() {
      return up;
    },
    [Symbol.dispose]() {
      disposed = true;
      clearTimeout(timer);
    },
  };
}

/** Undefined where it is fit, else why not. */
async function fitness(probe: Probe, { path, timeout, status }: HealthCheck): Promise<string | undefined> {
  try {
    const answered = await probe(path, timeout);
    const fit = status === undefined ? answered >= 200 && answered < 400 : answered === status;
    return fit ? undefined : `answers ${answered}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export interface Failures {
  /** Whether too many requests failed lately. */
  readonly many: boolean;
  note(): void;
}

/** As many failures within the window leave a server alone for as long again. `now` in seconds. */
export function failures(
  { failureWindow, maxFailedAttempts }: PassiveHealthCheck,
  now: () => number = () => performance.now() / 1000,
): Failures {
  let recent: number[] = [];
  let until = 0;
  return {
    get many() {
      return now() < until;
    },
    note() {
      const at = now();
      recent = [...recent.filter((each) => at - each < failureWindow), at];
      if (recent.length < maxFailedAttempts) return;
      until = at + failureWindow;
      recent = [];
    },
  };
}

/** Not the client's doing, and not a full queue of ours: the server could not be reached, broke off or was too slow. */
export function isFailure(error: unknown): boolean {
  return error instanceof Refusal && error.cause !== undefined && error.reply.status >= 502;
}
