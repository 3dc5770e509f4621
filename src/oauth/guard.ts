/** Stands before a protected resource: bearer token to caller, or the challenge that tells a client how to get one. */

import type { Caller, Exchange, Middleware } from '../router/handler.ts';
import { type AccessTokenClaims, type AccessTokens, tokenForm } from './access-token.ts';
import { mayUse } from './allow.ts';
import { OAuthError } from './errors.ts';
import { resourceMetadataUrl } from './metadata.ts';
import { type ProtectedResource, scopesOf } from './resource.ts';
import { missing } from './scope.ts';

export interface GuardParts {
  readonly accessTokens: AccessTokens;
  /** Whether a bare user name in an allow list says who is meant: with one way to log in, it does. */
  readonly bareNames: boolean;
}

/** The caller of this request at this resource, at once where it was asked a moment ago; refuses with 400, 401 or 403 and the challenge. */
export type Check = (exchange: Exchange, resource: ProtectedResource) => Caller | Promise<Caller>;

export function guard(check: Check, resource: ProtectedResource): Middleware {
  return (next) => (exchange) => {
    const found = check(exchange, resource);
    if (!(found instanceof Promise)) return next({ ...exchange, caller: found });
    return found.then((caller) => next({ ...exchange, caller }));
  };
}

/** What never changes while the resource is guarded: its challenge, and whom verified claims let in. */
interface Door {
  readonly refuse: Challenge;
  readonly admitted: WeakMap<AccessTokenClaims, Caller>;
}

export function checks({ accessTokens, bareNames }: GuardParts): Check {
  const doors = new Map<ProtectedResource, Door>();
  function doorOf(resource: ProtectedResource): Door {
    let found = doors.get(resource);
    if (!found) {
      found = { refuse: challenge(resource), admitted: new WeakMap() };
      doors.set(resource, found);
    }
    return found;
  }

  async function verified(token: string, refuse: Challenge): Promise<AccessTokenClaims> {
    try {
      return await accessTokens.verify(token);
    } catch (error) {
      if (!(error instanceof OAuthError)) throw error;
      if (!tokenForm.test(token)) {
        throw refuse('invalid_request', 'The Authorization header does not hold one access token');
      }
      throw refuse('invalid_token', error.description, { cause: error.cause });
    }
  }

  function admit(claims: AccessTokenClaims, resource: ProtectedResource, refuse: Challenge): Caller {
    // RFC 9068 §4, RFC 8707 §2: a token for one resource opens no other.
    if (!claims.audience.includes(resource.identifier)) {
      throw refuse('invalid_token', 'The access token is for another resource');
    }
    const caller: Caller = {
      subject: claims.subject,
      username: claims.username,
      clientId: claims.clientId,
      scope: new Set(claims.scope),
      expiresAt: claims.expiresAt,
    };
    if (!mayUse(resource, caller, bareNames)) {
      // No scope would help, so there is no challenge that sends the client round again.
      throw new OAuthError('access_denied', 'This person or this client may not use this server');
    }
    const lacking = missing(claims.scope, resource.scopes);
    if (lacking.length > 0) {
      throw refuse('insufficient_scope', `The access token lacks the scope ${lacking.join(' ')}`);
    }
    return caller;
  }

  function enter({ notes }: Exchange, claims: AccessTokenClaims, resource: ProtectedResource): Caller {
    const { refuse, admitted } = doorOf(resource);
    notes.clientId = claims.clientId;
    notes.username = claims.username;
    const known = admitted.get(claims);
    if (known !== undefined) return known;
    const caller = admit(claims, resource, refuse);
    admitted.set(claims, caller);
    return caller;
  }

  return (exchange, resource) => {
    exchange.notes.step = 'call';
    const { refuse } = doorOf(resource);
    const token = presented(exchange, refuse);
    const recent = accessTokens.recent(token);
    if (recent !== undefined) return enter(exchange, recent, resource);
    return verified(token, refuse).then((claims) => enter(exchange, claims, resource));
  };
}

/** An access token from the one place it may be in. */
function presented({ req, query, notes }: Exchange, refuse: Challenge): string {
  const { authorization } = req.headers;
  const inQuery = query !== '' && new URLSearchParams(query).has('access_token');
  // RFC 6750 §3.1: more than one token, or one token in more than one place, is a malformed request.
  if (authorization !== undefined && (inQuery || isRepeated(req.rawHeaders, 'authorization'))) {
    throw refuse('invalid_request', 'Send one access token, in one Authorization header');
  }
  // OAuth 2.1 §5.1: never in the query, where logs and histories keep it.
  if (inQuery) throw refuse('invalid_request', 'The access token belongs in the Authorization header', { status: 401 });
  // RFC 9110 §11.1: the scheme's case does not matter.
  const [scheme] = /^bearer[ \t]+(?=[^ \t])/i.exec(authorization ?? '') ?? [];
  // RFC 6750 §3: a request without a token is told nothing of an error.
  if (authorization === undefined || scheme === undefined) {
    notes.step = 'challenge';
    throw refuse(undefined, 'An access token is needed');
  }
  return authorization.slice(scheme.length);
}

/** Node keeps the first of several. */
function isRepeated(rawHeaders: readonly string[], name: string): boolean {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.length === name.length && rawHeaders[at]?.toLowerCase() === name) count++;
  }
  return count > 1;
}

type ChallengeError = 'invalid_request' | 'invalid_token' | 'insufficient_scope';
type Challenge = (
  error: ChallengeError | undefined,
  description: string,
  options?: { readonly status?: number; readonly cause?: unknown },
) => OAuthError;

/** RFC 6750 §3, RFC 9728 §5.1: where the resource describes itself, and every scope it needs at once. */
function challenge(resource: ProtectedResource): Challenge {
  const start = `Bearer resource_metadata="${resourceMetadataUrl(resource)}", scope="${scopesOf([resource]).join(' ')}"`;
  return (error, description, options = {}) => {
    const refused = new OAuthError(error ?? 'invalid_token', description);
    const value = error ? `${start}, error="${error}", error_description="${refused.description}"` : start;
    return new OAuthError(error ?? 'invalid_token', description, {
      ...options,
      headers: { 'www-authenticate': value },
    });
  };
}
