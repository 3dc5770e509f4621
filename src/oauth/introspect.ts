/** POST /introspect, RFC 7662: what a token is good for, told to the client it was issued to. */

import type { Handler } from '../router/handler.ts';
import type { AuthenticateClient } from './client-auth.ts';
import { noStore } from './errors.ts';
import { form } from './form.ts';
import type { TokenSearch } from './token-search.ts';

interface IntrospectParts {
  readonly issuer: string;
  readonly authenticate: AuthenticateClient;
  readonly search: TokenSearch;
}

export function introspectionEndpoint({ issuer, authenticate, search }: IntrospectParts): Handler {
  return async (exchange) => {
    const parameters = await form(exchange);
    // RFC 7662 §2.1: never without authorization, or the endpoint could be used to try tokens out.
    const client = await authenticate(exchange, parameters);
    const found = await search(parameters.require('token'), parameters.get('token_type_hint'));
    // RFC 7662 §2.2: to anybody else the token of another client is as dead as an unknown one.
    if (!found || found.clientId !== client.id) return { status: 200, headers: noStore, body: { active: false } };
    const [sole, ...more] = found.audience;
    const body = {
      active: true,
      iss: issuer,
      sub: found.subject,
      username: found.username,
      client_id: found.clientId,
      scope: found.scope.join(' '),
      aud: more.length === 0 && sole !== undefined ? sole : found.audience,
      ...(found.kind === 'access' && {
        token_type: 'Bearer',
        jti: found.tokenId,
        iat: found.issuedAt,
        exp: found.expiresAt,
      }),
    };
    return { status: 200, headers: noStore, body };
  };
}
