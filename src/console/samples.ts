/** The last hour in numbers: requests as they end, and every few seconds what there is. Bounded, whatever the load. */

import type { Latency, Sample, Status } from './state.ts';

/** Of one request; `duration` in milliseconds until its last byte. */
export interface Ended {
  readonly status: number;
  readonly duration: number;
  readonly route?: string;
  readonly stream?: true;
  readonly aborted?: string;
}

export interface Samples {
  observe(ended: Ended): void;
  /** Closes the interval. */
  take(status: Pick<Status, 'rss' | 'servers' | 'sessions'>): Sample;
  /** Oldest first. */
  taken(): readonly Sample[];
}

/** Seconds. */
export const interval = 5;
const kept = 3600 / interval;

export function samples(): Samples {
  const ring: Sample[] = [];
  const durations = new Uint32Array(buckets);
  let [requests, refused, failed, timed] = [0, 0, 0, 0];
  return {
    observe({ status, duration, stream, aborted }) {
      requests += 1;
      if (status >= 500) failed += 1;
      else if (status >= 400) refused += 1;
      // A stream stands as long as its client wants, and who goes away does not say how long the answer would have taken.
      if (stream || aborted !== undefined) return;
      timed += 1;
      const bucket = bucketOf(duration);
      durations[bucket] = (durations[bucket] ?? 0) + 1;
    },
    take({ rss, servers, sessions }) {
      const children = servers.flatMap((server) => server.children);
      const sample: Sample = {
        at: Date.now(),
        requests,
        refused,
        failed,
        ...(timed > 0 && { latency: latencyOf(durations, timed) }),
        memory: rss ?? 0,
        childMemory: children.reduce((sum, child) => sum + (child.rss ?? 0), 0),
        children: children.length,
        sessions,
      };
      durations.fill(0);
      [requests, refused, failed, timed] = [0, 0, 0, 0];
      ring.push(sample);
      if (ring.length > kept) ring.shift();
      return sample;
    },
    taken: () => ring,
  };
}

/** Each bucket is a tenth wider than the one before; the first ends at a tenth of a millisecond, the last holds hours. */
const growth = Math.log(1.1);
const least = 0.1;
const buckets = 200;

function bucketOf(duration: number): number {
  const bucket = Math.ceil(Math.log(Math.max(duration, least) / least) / growth);
  return Math.min(bucket, buckets - 1);
}

function latencyOf(durations: Uint32Array, total: number): Latency {
  const within = (share: number): number => {
    let left = Math.ceil(total * share);
    const bucket = durations.findIndex((count) => {
      left -= count;
      return left <= 0;
    });
    return least * Math.exp(bucket * growth);
  };
  return { p50: within(0.5), p95: within(0.95), p99: within(0.99) };
}
