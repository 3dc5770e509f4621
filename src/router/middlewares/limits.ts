/** How much a client may ask for: Traefik's `rateLimit`, `inFlightReq`, `ipAllowList` and, as a limit of bytes, `buffering`. */

import { addressSet } from '../addresses.ts';
import { type Exchange, type Middleware, refusal } from '../handler.ts';
import { announcedLength } from '../request-body.ts';
import type { MiddlewareConfig } from './config.ts';
import { requestKey } from './request-key.ts';

/** Sources that a limit remembers; the one unseen for longest is forgotten. */
const mostSources = 65_536;

interface Bucket {
  /** Below zero while requests wait. */
  tokens: number;
  at: number;
}

/** A token bucket for each source. `now` in seconds. */
export function rateLimit(
  config: NonNullable<MiddlewareConfig['rateLimit']>,
  now: () => number = () => performance.now() / 1000,
): Middleware {
  const { average, period, burst } = config;
  if (average === 0) return (next) => next;
  if (period === 0) throw new Error('period must be longer than 0');
  const rate = average / period;
  // As Traefik: a short wait is bridged, so that an even stream at the allowed rate is never refused.
  const longestWait = rate < 1 ? 0.5 : 1 / (2 * rate);
  const keyOf = requestKey(config.sourceCriterion);
  const buckets = new Map<string, Bucket>();
  return (next) => async (exchange) => {
    const key = keyOf(exchange);
    const time = now();
    const bucket = buckets.get(key) ?? { tokens: burst, at: time };
    buckets.delete(key);
    buckets.set(key, bucket);
    if (buckets.size > mostSources) for (const [oldest] of buckets) if (buckets.delete(oldest)) break;
    bucket.tokens = Math.min(burst, bucket.tokens + (time - bucket.at) * rate);
    bucket.at = time;
    const wait = bucket.tokens >= 1 ? 0 : (1 - bucket.tokens) / rate;
    if (wait > longestWait) {
      // RFC 6585 §4.
      const headers = { 'retry-after': String(Math.ceil(wait)) };
      throw refusal(429, 'temporarily_unavailable', 'too many requests; try again later', { headers });
    }
    bucket.tokens -= 1;
    if (wait > 0) await pause(exchange, wait);
    return next(exchange);
  };
}

/** Ends early where the client leaves. `wait` in seconds. */
function pause({ res }: Exchange, wait: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      res.off('close', done);
      resolve();
    };
    const timer = setTimeout(done, wait * 1000);
    res.once('close', done);
  });
}

export function inFlightReq(config: NonNullable<MiddlewareConfig['inFlightReq']>): Middleware {
  const keyOf = requestKey(config.sourceCriterion);
  const underWay = new Map<string, number>();
  return (next) => (exchange) => {
    const key = keyOf(exchange);
    const count = underWay.get(key) ?? 0;
    if (count >= config.amount) {
      const headers = { 'retry-after': '1' };
      throw refusal(429, 'temporarily_unavailable', 'too many requests at once; try again later', { headers });
    }
    underWay.set(key, count + 1);
    exchange.res.once('close', () => {
      const left = (underWay.get(key) ?? 1) - 1;
      if (left === 0) underWay.delete(key);
      else underWay.set(key, left);
    });
    return next(exchange);
  };
}

export function ipAllowList(config: NonNullable<MiddlewareConfig['ipAllowList']>): Middleware {
  const allowed = addressSet(config.sourceRange);
  if ('fault' in allowed) throw new Error(`${allowed.fault} is neither an IP address nor a range such as 10.0.0.0/8`);
  return (next) => (exchange) => {
    if (allowed.has(exchange.clientAddress)) return next(exchange);
    throw refusal(config.rejectStatusCode, 'access_denied', 'this address may not call');
  };
}

/** Counted as it passes; nothing is held back. */
export function buffering({ maxRequestBodyBytes: most }: NonNullable<MiddlewareConfig['buffering']>): Middleware {
  return (next) => (exchange) => {
    if ((announcedLength(exchange.req) ?? 0) > most) {
      // RFC 9110 §15.5.14.
      const headers = { connection: 'close' };
      throw refusal(413, 'invalid_request', `the request body is larger than ${most} bytes`, { headers });
    }
    const mostBody = Math.min(most, exchange.mostBody ?? most);
    return next({ ...exchange, mostBody, body: (limit) => exchange.body(Math.min(limit, mostBody)) });
  };
}
