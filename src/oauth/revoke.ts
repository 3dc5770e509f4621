/** POST /revoke, RFC 7009: a client gives up its tokens, and the grant they came from ends. */

import type { Handler } from '../router/handler.ts';
import type { AuthenticateClient } from './client-auth.ts';
import { noStore, OAuthError } from './errors.ts';
import { form } from './form.ts';
import type { Grants } from './grants.ts';
import type { TokenSearch } from './token-search.ts';

interface RevokeParts {
  readonly authenticate: AuthenticateClient;
  readonly grants: Grants;
  readonly search: TokenSearch;
}

export function revocationEndpoint({ authenticate, grants, search }: RevokeParts): Handler {
  return async (exchange) => {
    const parameters = await form(exchange);
    const client = await authenticate(exchange, parameters);
    const found = await search(parameters.require('token'), parameters.get('token_type_hint'));
    // RFC 7009 §2.1: a token of another client is refused, and stays.
    if (found && found.clientId !== client.id) {
      throw new OAuthError('unauthorized_client', 'The token was issued to another client');
    }
    // RFC 7009 §2.1: with the one token goes everything of the same grant.
    if (found) {
      await grants.revoke(found.grantId);
      exchange.log.info('grant revoked', { clientId: client.id, grantId: found.grantId });
    }
    // RFC 7009 §2.2: a token that is unknown or has ended is no error.
    return { status: 200, headers: noStore };
  };
}
