/** Cross-origin resource sharing: which web pages may read an answer. WHATWG Fetch §3.3. */

import type { Origins } from './allow-origins.ts';
import type { Exchange, Middleware, Reply } from './handler.ts';
import { appendVary } from './vary.ts';

export interface CorsOptions {
  /** `*`, or the origins that may read. Never with credentials: no answer depends on a cookie of another site. */
  readonly origins: '*' | Origins;
  readonly methods: readonly string[];
  /** Of the answer, beyond the few that every page may read. */
  readonly expose?: readonly string[];
}

/** Seconds a browser remembers a preflight's answer; Chromium keeps none for longer than 7200. */
const remembered = '7200';

/** A preflight carries no token and is answered here, before any guard asks for one. */
export function cors(options: CorsOptions): Middleware {
  const methods = options.methods.join(', ');
  const expose = options.expose?.join(', ');
  const { origins } = options;
  return (next) => (exchange) => {
    const { req, res } = exchange;
    const { origin } = req.headers;
    if (origins !== '*') appendVary(res, 'Origin');
    if (origins === '*' || (origin !== undefined && origins(origin))) {
      // Set on the response itself, so that refusals and streams carry it as well.
      res.setHeader('access-control-allow-origin', origins === '*' ? '*' : (origin ?? ''));
      if (expose) res.setHeader('access-control-expose-headers', expose);
      if (isPreflight(exchange)) return preflight(exchange, methods);
    }
    return next(exchange);
  };
}

function isPreflight({ req }: Exchange): boolean {
  return (
    req.method === 'OPTIONS' &&
    req.headers.origin !== undefined &&
    req.headers['access-control-request-method'] !== undefined
  );
}

function preflight({ req, res }: Exchange, methods: string): Reply {
  appendVary(res, 'Access-Control-Request-Headers');
  const wanted = req.headers['access-control-request-headers'];
  return {
    status: 204,
    headers: {
      'access-control-allow-methods': methods,
      'access-control-max-age': remembered,
      // Whatever is asked for: without credentials a header is the page's own business, Authorization included.
      ...(wanted !== undefined && isNameList(wanted) && { 'access-control-allow-headers': wanted }),
    },
  };
}

function isNameList(text: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+(?:\s*,\s*[\w!#$%&'*+.^`|~-]+)*$/.test(text);
}
