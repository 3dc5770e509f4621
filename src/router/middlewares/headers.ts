/** Headers set, removed and answered with: Traefik's `headers`. */

import { type IncomingMessage, validateHeaderName, validateHeaderValue } from 'node:http';
import type { Middleware } from '../handler.ts';
import { goRegexp } from '../regexp.ts';
import { beforeHead } from '../response-head.ts';
import { appendVary } from '../vary.ts';
import type { MiddlewareConfig } from './config.ts';

type HeadersConfig = NonNullable<MiddlewareConfig['headers']>;
type Pairs = readonly (readonly [name: string, value: string])[];

export function headers(config: HeadersConfig): Middleware {
  const request = Object.fromEntries(checked(config.customRequestHeaders));
  const response = [...safety(config), ...checked(config.customResponseHeaders)];
  const strict = transportSecurity(config);
  const readers = crossOrigin(config);
  return (next) => (exchange) => {
    const { req, res, scheme } = exchange;
    // RFC 6797 §7.2: never over plain HTTP, unless a proxy in front is known to hide it.
    const hsts = scheme === 'https' || config.forceSTSHeader ? strict : [];
    const shared = readers?.(req) ?? [];
    beforeHead(res, () => {
      for (const [name, value] of [...response, ...hsts, ...shared]) {
        if (value === '') res.removeHeader(name);
        else res.setHeader(name, value);
      }
      if (readers && config.addVaryHeader) appendVary(res, 'Origin');
    });
    const asked = req.headers['access-control-request-method'];
    if (readers && req.method === 'OPTIONS' && req.headers.origin !== undefined && asked !== undefined) {
      return { status: 204 };
    }
    return next({ ...exchange, replaced: { ...exchange.replaced, ...request } });
  };
}

/** By lower-case name. Throws where one could not be sent. */
function checked(record: Readonly<Record<string, string>>): Pairs {
  return Object.entries(record).map(([name, value]) => {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return [name.toLowerCase(), value] as const;
  });
}

function safety(config: HeadersConfig): Pairs {
  const pairs: [string, string | undefined][] = [
    ['x-frame-options', config.customFrameOptionsValue ?? (config.frameDeny ? 'DENY' : undefined)],
    ['x-content-type-options', config.contentTypeNosniff ? 'nosniff' : undefined],
    ['content-security-policy', config.contentSecurityPolicy],
    ['content-security-policy-report-only', config.contentSecurityPolicyReportOnly],
    ['referrer-policy', config.referrerPolicy],
    ['permissions-policy', config.permissionsPolicy],
  ];
  return checked(Object.fromEntries(pairs.filter((pair): pair is [string, string] => pair[1] !== undefined)));
}

function transportSecurity({ stsSeconds, stsIncludeSubdomains, stsPreload }: HeadersConfig): Pairs {
  if (stsSeconds === 0) return [];
  const value = `max-age=${stsSeconds}${stsIncludeSubdomains ? '; includeSubDomains' : ''}${stsPreload ? '; preload' : ''}`;
  return [['strict-transport-security', value]];
}

/** Undefined where pages of other origins are not spoken of. WHATWG Fetch §3.3. */
function crossOrigin(config: HeadersConfig): ((req: IncomingMessage) => Pairs) | undefined {
  const list = new Set(config.accessControlAllowOriginList);
  const patterns = config.accessControlAllowOriginListRegex.map(goRegexp);
  if (list.size === 0 && patterns.length === 0) return undefined;
  const any = list.has('*');
  if (any && config.accessControlAllowCredentials) {
    throw new Error('accessControlAllowCredentials needs origins by name: browsers refuse it with "*"');
  }
  const always = checked({
    ...(config.accessControlAllowCredentials && { 'access-control-allow-credentials': 'true' }),
    ...(config.accessControlExposeHeaders.length > 0 && {
      'access-control-expose-headers': config.accessControlExposeHeaders.join(', '),
    }),
  });
  const preflight = checked({
    'access-control-allow-methods': config.accessControlAllowMethods.join(', '),
    'access-control-allow-headers': config.accessControlAllowHeaders.join(', '),
    'access-control-max-age': String(config.accessControlMaxAge),
  }).filter(([, value]) => value !== '');
  return ({ method, headers: { origin } }) => {
    if (origin === undefined || origin.length > 2048) return [];
    if (!any && !list.has(origin) && !patterns.some((pattern) => pattern.test(origin))) return [];
    const allowed: Pairs = [['access-control-allow-origin', any ? '*' : origin], ...always];
    return method === 'OPTIONS' ? [...allowed, ...preflight] : allowed;
  };
}
