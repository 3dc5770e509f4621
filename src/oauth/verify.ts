/**
 * GET, HEAD, POST /verify: whether a proxy in front may let a request through, as Traefik's ForwardAuth, Caddy's
 * forward_auth and nginx's auth_request ask. 200 with the caller in headers, or the 401 or 403 the client is to get.
 */

import { callerHeaders, type Handler } from '../router/handler.ts';
import { noStore, OAuthError } from './errors.ts';
import { forwardedResource } from './forwarded-resource.ts';
import type { Check } from './guard.ts';
import { methods } from './methods.ts';
import type { ProtectedResource } from './resource.ts';

export function verifyEndpoint(check: Check, resources: readonly ProtectedResource[]): Handler {
  const resourceOf = forwardedResource(resources);
  const callerOf: typeof check = async (exchange, resource) => {
    try {
      return await check(exchange, resource);
    } catch (error) {
      throw error instanceof OAuthError && error.reply.status === 400 ? asRefusal(error) : error;
    }
  };
  const verify: Handler = async (exchange) => {
    // What an untrusted peer said of X-Forwarded is gone from `headers`, and only from there.
    const { resource, query } = resourceOf(exchange.req.headers);
    const caller = await callerOf({ ...exchange, query }, resource);
    // All four each time, so that a proxy that copies what is there overwrites whatever the client sent.
    const headers = { ...noStore, ...callerHeaders(caller), 'x-scope': [...caller.scope].join(' ') };
    return { status: 200, headers };
  };
  return methods({ GET: verify, POST: verify });
}

/** The same challenge with 401: nginx takes 400 for a fault of ours and answers its client 500. */
function asRefusal({ code, description, reply }: OAuthError): OAuthError {
  const challenge = reply.headers?.['www-authenticate'];
  return new OAuthError(code, description, {
    status: 401,
    ...(typeof challenge === 'string' && { headers: { 'www-authenticate': challenge } }),
  });
}
