/** The path as the service sees it: Traefik's `stripPrefix` and `addPrefix`. */

import { type Exchange, type Handler, type Middleware, refusal } from '../handler.ts';
import { requestTarget } from '../request-target.ts';

/** The first prefix that fits is cut off, and told in X-Forwarded-Prefix. */
export function stripPrefix(prefixes: readonly string[]): Middleware {
  return (next) => (exchange) => {
    const { path } = exchange;
    const prefix = prefixes.find((each) => path.startsWith(each));
    if (prefix === undefined) return next(exchange);
    const rest = path.slice(prefix.length);
    const replaced = { ...exchange.replaced, 'x-forwarded-prefix': prefix.replace(/\/$/, '') };
    return onward(next, { ...exchange, replaced }, rest.startsWith('/') ? rest : `/${rest}`);
  };
}

export function addPrefix(prefix: string): Middleware {
  const base = prefix.replace(/\/$/, '');
  return (next) => (exchange) => onward(next, exchange, `${base}${exchange.path}`);
}

/** RFC 3986 §5.2.4: `/a../b` without `/a` climbs out of its directory, so a path that would need settling again is refused. */
function onward(next: Handler, exchange: Exchange, path: string): ReturnType<Handler> {
  const target = requestTarget(path);
  if ('fault' in target || target.path !== path) throw refusal(400, 'invalid_request', 'the path is ambiguous');
  return next({ ...exchange, path });
}
