/** Leaves a service alone that cannot cope: Traefik's `circuitBreaker`. */

import { type Middleware, Refusal, refusal } from '../handler.ts';
import { beforeHead } from '../response-head.ts';
import { breakerExpression, type Observed } from './breaker-expression.ts';
import type { MiddlewareConfig } from './config.ts';

interface Sample {
  readonly at: number;
  readonly status: number;
  readonly latency: number;
  readonly networkError: boolean;
}

/** Seconds that count as lately. */
const window = 10;
const mostSamples = 2000;

/** `now` in seconds. `chance` decides which requests pass while the service recovers. */
export function circuitBreaker(
  config: NonNullable<MiddlewareConfig['circuitBreaker']>,
  now: () => number = () => performance.now() / 1000,
  chance: () => number = Math.random,
): Middleware {
  const tripped = breakerExpression(config.expression);
  let samples: Sample[] = [];
  let checked = now();
  /** When the circuit opened; undefined while it is closed. */
  let opened: number | undefined;

  const observe = (sample: Sample) => {
    samples.push(sample);
    const { at } = sample;
    if (at - checked < config.checkPeriod) return;
    checked = at;
    samples = samples.filter((each) => at - each.at < window).slice(-mostSamples);
    if (!tripped(observedIn(samples))) return;
    opened = at;
    samples = [];
  };

  /** A growing share passes once the time of rest is over. */
  const passes = (at: number): boolean => {
    if (opened === undefined) return true;
    const recovering = at - opened - config.fallbackDuration;
    if (recovering < 0) return false;
    if (recovering < config.recoveryDuration) return chance() < recovering / config.recoveryDuration;
    opened = undefined;
    samples = [];
    return true;
  };

  return (next) => async (exchange) => {
    const start = now();
    if (!passes(start)) {
      const headers = { 'retry-after': String(Math.ceil(config.fallbackDuration)) };
      throw refusal(config.responseCode, 'temporarily_unavailable', 'the server is given a rest; try again', {
        headers,
      });
    }
    let networkError = false;
    beforeHead(exchange.res, (status) => {
      const at = now();
      observe({ at, status, latency: (at - start) * 1000, networkError });
    });
    try {
      return await next(exchange);
    } catch (error) {
      networkError = error instanceof Refusal && error.cause !== undefined && error.reply.status >= 502;
      throw error;
    }
  };
}

function observedIn(samples: readonly Sample[]): Observed {
  const within = (from: number, to: number) => samples.filter(({ status }) => status >= from && status < to).length;
  return {
    networkErrorRatio: () => ratio(samples.filter((sample) => sample.networkError).length, samples.length),
    responseCodeRatio: (from, to, dividedFrom, dividedTo) => ratio(within(from, to), within(dividedFrom, dividedTo)),
    latencyAtQuantileMS: (quantile) => {
      const sorted = samples.map(({ latency }) => latency).sort((a, b) => a - b);
      return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * quantile) / 100))] ?? 0;
    },
  };
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
