/** Another address for the client: Traefik's `redirectScheme` and `redirectRegex`. */

import { type Exchange, type Middleware, type Reply, refusal } from '../handler.ts';
import { goRegexp } from '../regexp.ts';
import type { MiddlewareConfig } from './config.ts';

const defaultPort = { http: '80', https: '443' } as const;
/** A longer address meets no regular expression. */
const longestAddress = 8192;

export function redirectScheme(config: NonNullable<MiddlewareConfig['redirectScheme']>): Middleware {
  const { scheme, permanent } = config;
  const port = config.port === undefined || config.port === defaultPort[scheme] ? '' : `:${config.port}`;
  return (next) => (exchange) => {
    if (exchange.scheme === scheme) return next(exchange);
    if (exchange.host === '') throw refusal(400, 'invalid_request', 'the request has no Host');
    return redirect(exchange, `${scheme}://${exchange.host}${port}${exchange.path}${exchange.query}`, permanent);
  };
}

export function redirectRegex(config: NonNullable<MiddlewareConfig['redirectRegex']>): Middleware {
  const pattern = goRegexp(config.regex);
  const regexp = new RegExp(pattern.source, `${pattern.flags}g`);
  // Go writes ${1}, ${name} and $1, JavaScript $1 and $<name>.
  const replacement = config.replacement
    .replace(/\$\{(\d+)\}|\$(\d+)/g, (_, braced?: string, bare?: string) => `$${Number(braced ?? bare)}`)
    .replace(/\$\{(\w+)\}/g, '$<$1>');
  return (next) => (exchange) => {
    const { scheme, req, path, query } = exchange;
    const host = req.headers[':authority'] ?? req.headers.host ?? '';
    const address = `${scheme}://${host}${path}${query}`;
    if (address.length > longestAddress) return next(exchange);
    const target = address.replace(regexp, replacement);
    return target === address ? next(exchange) : redirect(exchange, target, config.permanent);
  };
}

/** RFC 9110 §15.4: 301 and 302 let a client turn its method into GET; 308 and 307 do not. */
function redirect({ req }: Exchange, location: string, permanent: boolean): Reply {
  // RFC 9110 §5.5: a line break would end the header.
  if (/[\r\n\0]/.test(location)) throw refusal(400, 'invalid_request', 'the path is ambiguous');
  const isGet = req.method === 'GET';
  return { status: permanent ? (isGet ? 301 : 308) : isGet ? 302 : 307, headers: { location } };
}
