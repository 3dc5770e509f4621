/** Whom a limit counts for: Traefik's `sourceCriterion`. */

import { isIPv6 } from 'node:net';
import type { Exchange } from '../handler.ts';
import type { SourceCriterion } from './config.ts';

/** Longer values than this would fill the memory. */
const longestKey = 256;

export function requestKey(criterion: SourceCriterion): (exchange: Exchange) => string {
  const { requestHeaderName, requestHost } = criterion;
  if (requestHeaderName !== undefined) {
    const name = requestHeaderName.toLowerCase();
    return ({ req }) => [req.headers[name] ?? ''].flat().join(',').slice(0, longestKey);
  }
  return requestHost ? ({ host }) => host : ({ clientAddress }) => network(clientAddress);
}

/** RFC 6177 §2: one subscriber has a /64 at least, so its addresses count as one. */
export function network(address: string): string {
  if (!isIPv6(address)) return address;
  const [left = '', right] = address.split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const zeros = right === undefined ? 0 : Math.max(0, 8 - head.length - tail.length);
  const groups = [...head, ...Array.from({ length: zeros }, () => '0'), ...tail];
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
