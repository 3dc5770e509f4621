/** Who we are at a server: RFC 7591, and whether it still knows us. */

import * as oauth from 'oauth4webapi';
import { transport } from './discovery.ts';
import type { KeptClient } from './kept.ts';

export type NamedClient = Pick<KeptClient, 'id' | 'secret'>;

/** The client of last time where the server still has it, or a new one. Rejects where none can register itself. */
export async function registered(
  server: oauth.AuthorizationServer,
  redirectUri: string,
  scope: string | undefined,
  known: KeptClient | undefined,
): Promise<KeptClient> {
  if (known?.redirectUri === redirectUri && (await stillRegistered(known))) return known;
  if (server.registration_endpoint === undefined)
    throw new Error(
      `${server.issuer} lets no client register itself; register one there by hand and name it with --client-id`,
    );
  const grants = ['authorization_code', 'refresh_token'];
  if (server.device_authorization_endpoint !== undefined) grants.push('urn:ietf:params:oauth:grant-type:device_code');
  const response = await oauth.dynamicClientRegistrationRequest(
    server,
    {
      client_name: 'mcp-gateway connect',
      redirect_uris: [redirectUri],
      grant_types: grants,
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      // MCP 2026-07-28 authorization: a server may take a loopback redirect URI from native clients alone.
      application_type: 'native',
      ...(scope !== undefined && { scope }),
    },
    transport(server.registration_endpoint),
  );
  const answer = await oauth.processDynamicClientRegistrationResponse(response);
  const { client_secret: secret, registration_client_uri: uri, registration_access_token: token } = answer;
  return {
    id: answer.client_id,
    redirectUri,
    ...(typeof secret === 'string' && { secret }),
    ...(typeof uri === 'string' && typeof token === 'string' && { registration: { uri, token } }),
  };
}

/** RFC 7592 §2.1. A server that does not say would show its error to the person in the browser, where we cannot mend it. */
async function stillRegistered({ registration }: KeptClient): Promise<boolean> {
  if (registration === undefined) return false;
  const { signal } = transport(registration.uri);
  const headers = { authorization: `Bearer ${registration.token}`, accept: 'application/json' };
  const response = await fetch(registration.uri, { headers, redirect: 'manual', signal }).catch(() => undefined);
  await response?.arrayBuffer();
  return response?.status === 200;
}

/** How the client says at an endpoint who it is. */
export function authentication(
  server: oauth.AuthorizationServer,
  { id, secret }: NamedClient,
): [oauth.Client, oauth.ClientAuth] {
  const about = { client_id: id };
  if (secret === undefined) return [about, oauth.None()];
  // RFC 8414 §2: without a list it is client_secret_basic.
  const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
  const basic = methods.includes('client_secret_basic') || !methods.includes('client_secret_post');
  return [about, basic ? oauth.ClientSecretBasic(secret) : oauth.ClientSecretPost(secret)];
}
