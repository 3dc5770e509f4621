/** A person who logs in and allows us in a browser: OAuth 2.1 §4.1. */

import { spawn } from 'node:child_process';
import * as oauth from 'oauth4webapi';
import { transport } from './discovery.ts';
import type { Door } from './door.ts';
import type { KeptClient } from './kept.ts';
import { inTime, type LoginRequest } from './login-request.ts';
import { authentication } from './registration.ts';

/** RFC 7636, RFC 8707, RFC 9207. Rejects where nobody allows it. */
export async function browserLogin(
  login: LoginRequest,
  client: KeptClient,
  door: Door,
): Promise<oauth.TokenEndpointResponse> {
  const { server, resource } = login.discovered;
  const [about, proof] = authentication(server, client);
  const state = oauth.generateRandomState();
  const verifier = oauth.generateRandomCodeVerifier();
  const page = new URL(server.authorization_endpoint ?? '/authorize', server.issuer);
  const asked = {
    response_type: 'code',
    client_id: client.id,
    redirect_uri: client.redirectUri,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    resource,
    ...(login.scope !== undefined && { scope: login.scope }),
  };
  for (const [name, value] of Object.entries(asked)) page.searchParams.set(name, value);
  const answer = door.answer(state);
  if (login.device) {
    const { port } = new URL(client.redirectUri);
    login.say(
      `Log in at ${page}\nFrom another machine, first lead it here: ssh -L ${port}:127.0.0.1:${port} THIS-HOST`,
    );
  } else {
    openBrowser(page.href);
    login.say(`Log in in the browser that opens, or at ${page}`);
  }
  const came = await inTime(login, answer);
  const parameters = oauth.validateAuthResponse(server, about, came, state);
  const response = await oauth.authorizationCodeGrantRequest(
    server,
    about,
    proof,
    parameters,
    client.redirectUri,
    verifier,
    { ...transport(server.token_endpoint ?? server.issuer), additionalParameters: { resource } },
  );
  return await oauth.processAuthorizationCodeResponse(server, about, response);
}

/** Whether a page would be seen that we open. */
export function hasBrowser(): boolean {
  const { BROWSER, DISPLAY, WAYLAND_DISPLAY } = process.env;
  return ['darwin', 'win32'].includes(process.platform) || Boolean(BROWSER || DISPLAY || WAYLAND_DISPLAY);
}

function openBrowser(url: string): void {
  const { BROWSER } = process.env;
  const [command = 'xdg-open', ...args] = BROWSER
    ? [BROWSER]
    : process.platform === 'darwin'
      ? ['open']
      : process.platform === 'win32'
        ? ['rundll32', 'url.dll,FileProtocolHandler']
        : ['xdg-open'];
  const opener = spawn(command, [...args, url], { stdio: 'ignore', detached: true });
  // Where there is none, the person has the URL.
  opener.once('error', () => {});
  opener.unref();
}
