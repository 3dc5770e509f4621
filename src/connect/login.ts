/** One login: who we are at the server, a person who allows it in a browser or on another device, and the tokens that come of it. */

import * as oauth from 'oauth4webapi';
import { browserLogin } from './browser-login.ts';
import { deviceLogin } from './device-login.ts';
import { type Discovered, transport } from './discovery.ts';
import { openDoor } from './door.ts';
import type { Kept } from './kept.ts';
import type { LoginRequest } from './login-request.ts';
import { authentication, type NamedClient, registered } from './registration.ts';

export interface Granted {
  readonly client: NamedClient;
  readonly accessToken: string;
  readonly refreshToken?: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number;
  readonly scope?: string;
}

/** Rejects with one sentence where nobody allows it. */
export async function logIn(login: LoginRequest, kept: Kept): Promise<Granted> {
  const { discovered, scope, client: named } = login;
  const { server } = discovered;
  const known = await kept.clients.get(server.issuer);
  await using door = await openDoor(known?.redirectUri);
  const { redirectUri } = door;
  const client = named ? { ...named, redirectUri } : await registered(server, redirectUri, scope, known);
  if (named === undefined) await kept.clients.set(server.issuer, client);
  const byCode = login.device && server.device_authorization_endpoint !== undefined;
  try {
    return granted(client, byCode ? await deviceLogin(login, client) : await browserLogin(login, client, door));
  } catch (error) {
    throw plainly(error, server.issuer);
  }
}

/** What a person can do something with. */
function plainly(error: unknown, issuer: string): unknown {
  if (error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError) {
    const said = error.error_description === undefined ? '' : ` (${error.error_description})`;
    return new Error(`${issuer} did not let us in: ${error.error}${said}`, { cause: error });
  }
  if (error instanceof TypeError && error.cause instanceof Error)
    return new Error(`${issuer} cannot be reached: ${error.cause.message}`, { cause: error });
  return error;
}

/** OAuth 2.1 §4.3. Undefined where the server does not honour the refresh token any more. */
export async function refresh(
  { server, resource }: Discovered,
  client: NamedClient,
  { refreshToken, scope }: { readonly refreshToken: string; readonly scope?: string },
): Promise<Granted | undefined> {
  const [about, proof] = authentication(server, client);
  const options = { ...transport(server.token_endpoint ?? server.issuer), additionalParameters: { resource } };
  try {
    const response = await oauth.refreshTokenGrantRequest(server, about, proof, refreshToken, options);
    // RFC 6749 §6: the old refresh token and the scope stay where no others come.
    const former = { refreshToken, ...(scope !== undefined && { scope }) };
    return { ...former, ...granted(client, await oauth.processRefreshTokenResponse(server, about, response)) };
  } catch (error) {
    if (error instanceof oauth.ResponseBodyError || error instanceof oauth.WWWAuthenticateChallengeError)
      return undefined;
    throw error;
  }
}

/** RFC 7009: nobody is to use it after us. */
export async function revoke(server: oauth.AuthorizationServer, client: NamedClient, token: string): Promise<void> {
  if (server.revocation_endpoint === undefined) return;
  const [about, proof] = authentication(server, client);
  const response = await oauth.revocationRequest(server, about, proof, token, transport(server.revocation_endpoint));
  await oauth.processRevocationResponse(response);
}

function granted(
  { id, secret }: NamedClient,
  { access_token, refresh_token, expires_in, scope }: oauth.TokenEndpointResponse,
): Granted {
  return {
    client: { id, ...(secret !== undefined && { secret }) },
    accessToken: access_token,
    ...(refresh_token !== undefined && { refreshToken: refresh_token }),
    ...(expires_in !== undefined && { expiresAt: Date.now() + expires_in * 1000 }),
    ...(scope !== undefined && { scope }),
  };
}
