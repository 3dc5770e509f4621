/** Makes middlewares of their configuration, by name. */

import type { Handler, Middleware } from '../handler.ts';
import { basicAuth } from './basic-auth.ts';
import { circuitBreaker } from './circuit-breaker.ts';
import { compress } from './compress.ts';
import type { MiddlewareConfig } from './config.ts';
import { authAgent, forwardAuth } from './forward-auth.ts';
import { headers } from './headers.ts';
import { buffering, inFlightReq, ipAllowList, rateLimit } from './limits.ts';
import { addPrefix, stripPrefix } from './path.ts';
import { redirectRegex, redirectScheme } from './redirect.ts';
import { retry } from './retry.ts';

type Configs = Readonly<Record<string, MiddlewareConfig>>;

/** What they hold open ends with `owner`. Throws, with the name, where there is none of that name or it cannot be built. */
export function middlewareBuilder(configs: Configs, owner: AsyncDisposableStack): (name: string) => Middleware {
  const named = (name: string, within: readonly string[]): Middleware => {
    const config = Object.hasOwn(configs, name) ? configs[name] : undefined;
    if (config === undefined) throw new Error(`no middleware is called ${name}; add it to middlewares`);
    if (within.includes(name)) throw new Error(`the chain ${[...within, name].join(' → ')} never ends`);
    const { chain } = config;
    if (chain === undefined) return built(name, config, owner);
    const parts = chain.middlewares.map((part) => named(part, [...within, name]));
    return (next: Handler) => parts.reduceRight((inner, part) => part(inner), next);
  };
  return (name) => named(name, []);
}

function built(name: string, config: MiddlewareConfig, owner: AsyncDisposableStack): Middleware {
  try {
    return ofKind(config, owner);
  } catch (error) {
    throw new Error(`middleware ${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function ofKind(config: MiddlewareConfig, owner: AsyncDisposableStack): Middleware {
  if (config.addPrefix) return addPrefix(config.addPrefix.prefix);
  if (config.basicAuth) return basicAuth(config.basicAuth);
  if (config.buffering) return buffering(config.buffering);
  if (config.circuitBreaker) return circuitBreaker(config.circuitBreaker);
  if (config.compress) return compress(config.compress);
  if (config.forwardAuth) {
    const agent = owner.adopt(authAgent(), (open) => open.close());
    return forwardAuth(config.forwardAuth, agent);
  }
  if (config.headers) return headers(config.headers);
  if (config.inFlightReq) return inFlightReq(config.inFlightReq);
  if (config.ipAllowList) return ipAllowList(config.ipAllowList);
  if (config.rateLimit) return rateLimit(config.rateLimit);
  if (config.redirectRegex) return redirectRegex(config.redirectRegex);
  if (config.redirectScheme) return redirectScheme(config.redirectScheme);
  if (config.retry) return retry(config.retry);
  if (config.stripPrefix) return stripPrefix(config.stripPrefix.prefixes);
  throw new Error('has no kind');
}
