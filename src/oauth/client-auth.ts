/** Who is asking at the token, revocation and introspection endpoints: client authentication, OAuth 2.1 §2.4. */

import type { Exchange } from '../router/handler.ts';
import type { ClientAssertions } from './client-assertion.ts';
import type { Client, Clients } from './clients.ts';
import { OAuthError } from './errors.ts';
import type { Parameters } from './form.ts';
import { usesSecret } from './registered-clients.ts';
import { hashed, hashMatches } from './secrets.ts';

/** The client behind a request; refuses with invalid_client. */
export type AuthenticateClient = (exchange: Exchange, parameters: Parameters) => Promise<Client>;

interface Credentials {
  readonly clientId: string;
  readonly secret?: string | undefined;
}

export function clientAuthentication(clients: Clients, assertions: ClientAssertions): AuthenticateClient {
  return async (exchange, parameters) => {
    const asserted = assertions.claimed(parameters);
    if (asserted !== undefined) return await byAssertion(exchange, parameters, asserted);
    const { clientId, secret } = credentials(exchange, parameters);
    const client = await clients.find(clientId);
    // Compared even where there is nothing to compare with, so that an unknown client takes as long as a wrong secret.
    const secretFits = hashMatches(secret ?? '', client?.secretHash ?? hashed('no client has this secret'));
    if (!client) throw failed('There is no such client; it must register again');
    const { metadata } = client;
    // Client ID Metadata Documents §6.2: the method declared is the one required.
    if (metadata.token_endpoint_auth_method === 'private_key_jwt') throw failed('The client_assertion is missing');
    if (usesSecret(metadata)) {
      // By header or body: the same secret proves the same, and clients in use send it otherwise than they registered.
      if (!secretFits) throw failed('The client secret is missing or wrong');
    } else if (secret !== undefined) {
      throw failed('This client has no secret; it was registered with the method none');
    }
    return client;
  };

  async function byAssertion(exchange: Exchange, parameters: Parameters, id: string): Promise<Client> {
    const named = parameters.get('client_id');
    // OAuth 2.1 §2.4: no more than one way per request.
    if (parameters.get('client_secret') !== undefined || exchange.req.headers.authorization !== undefined) {
      throw new OAuthError('invalid_request', 'The client authenticates in more than one way');
    }
    // RFC 7521 §4.2: client_id is not needed, and names the same client where it is sent.
    if (named !== undefined && named !== id) {
      throw new OAuthError('invalid_request', 'client_id is not the client that authenticates');
    }
    const client = await clients.find(id);
    if (!client) throw failed('There is no such client; it must register again');
    if (client.metadata.token_endpoint_auth_method !== 'private_key_jwt') {
      throw failed('This client is not registered for the method private_key_jwt');
    }
    await assertions.verify(client, parameters);
    return client;
  }
}

function credentials(exchange: Exchange, parameters: Parameters): Credentials {
  const header = exchange.req.headersDistinct.authorization ?? [];
  const named = parameters.get('client_id');
  const posted = parameters.get('client_secret');
  // OAuth 2.1 §2.4: no more than one way per request.
  if (header.length > 1 || (header.length > 0 && posted !== undefined)) {
    throw new OAuthError('invalid_request', 'The client authenticates in more than one way');
  }
  if (header[0] !== undefined) {
    const basic = basicCredentials(header[0]);
    if (named !== undefined && named !== basic.clientId) {
      throw new OAuthError('invalid_request', 'client_id is not the client that authenticates');
    }
    return basic;
  }
  if (named === undefined) throw failed('The client did not say who it is');
  return { clientId: named, secret: posted };
}

/** RFC 6749 §2.3.1: id and secret are form-encoded each, joined by a colon, and sent as RFC 7617 has it. */
function basicCredentials(header: string): Credentials {
  const [, encoded] = /^basic +([A-Za-z0-9+/_-]+={0,2}) *$/i.exec(header) ?? [];
  const text = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1) throw failed('The Authorization header holds no client id and secret');
  const secret = formDecoded(text.slice(colon + 1));
  return { clientId: formDecoded(text.slice(0, colon)), ...(secret !== '' && { secret }) };
}

/** What is not well encoded was sent as it is, as RFC 7617 alone would have it. */
function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

/** RFC 6749 §5.2: 401, with the scheme a client may use. */
export function failed(description: string, cause?: unknown): OAuthError {
  return new OAuthError('invalid_client', description, {
    headers: { 'www-authenticate': 'Basic realm="mcp-gateway"' },
    cause,
  });
}
