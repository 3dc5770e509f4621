/** Refuses requests that a web page of a foreign origin makes: the defence against DNS rebinding. MCP 2025-11-25, Transports. */

import { type Middleware, refusal } from './handler.ts';

/** Whether a page of this origin may call. */
export type Origins = (origin: string) => boolean;

/** The gateway's own origin, loopback ones of any port, and the configured ones; `*` is every one. Throws where an entry is no origin. */
export function origins(own: URL, allowed: readonly string[]): Origins {
  if (allowed.includes('*')) return () => true;
  const known = new Set([own.origin, ...allowed.map((origin) => new URL(origin).origin)]);
  return (origin) => known.has(origin) || isLoopback(origin);
}

/** A request without Origin comes from no page. Any other origin is answered with 403, before a token is looked at. */
export function allowOrigins(isAllowed: Origins): Middleware {
  return (next) => (exchange) => {
    const { origin } = exchange.req.headers;
    if (origin !== undefined && !isAllowed(origin)) {
      throw refusal(403, 'access_denied', 'pages of this origin may not call; see auth.allowedOrigins');
    }
    return next(exchange);
  };
}

function isLoopback(origin: string): boolean {
  return /^https?:\/\/(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/.test(origin);
}
