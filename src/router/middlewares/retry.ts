/** Another attempt where the first did no harm: Traefik's `retry`. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Exchange, type Middleware, Refusal } from '../handler.ts';
import { announcedLength, hasBody } from '../request-body.ts';
import { idempotent, neverReached } from '../upstream-failure.ts';
import type { MiddlewareConfig } from './config.ts';

/** A larger body is not kept to be sent again. Bytes. */
const mostKept = 2 * 1024 * 1024;

export function retry({ attempts, initialInterval }: NonNullable<MiddlewareConfig['retry']>): Middleware {
  return (next) => async (exchange) => {
    const again = await replayable(exchange);
    if (again === undefined) return next(exchange);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await next(again);
      } catch (error) {
        if (attempt >= attempts || !mayRepeat(error, exchange)) throw error;
        // Twice the interval at most, as Traefik.
        const wait = initialInterval * Math.min(2, 1.5 ** (attempt - 1));
        await sleep(wait * 1000);
        if (exchange.res.destroyed) throw error;
      }
    }
  };
}

/** RFC 9110 §9.2.2: what is not idempotent is sent again only where the server has certainly not seen it. */
function mayRepeat(error: unknown, { req, res, upgrade }: Exchange): boolean {
  if (!(error instanceof Refusal) || error.cause === undefined || res.headersSent || res.destroyed) return false;
  return neverReached(error.cause) || (upgrade === undefined && idempotent.has(req.method ?? ''));
}

async function replayable(exchange: Exchange): Promise<Exchange | undefined> {
  if (exchange.content !== undefined || !hasBody(exchange.req)) return exchange;
  const length = announcedLength(exchange.req);
  if (length === undefined || length > mostKept) return undefined;
  return { ...exchange, content: await exchange.body(mostKept) };
}
