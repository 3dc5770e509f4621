/** What an MCP client keeps of OAuth, for the SDKs' clients: in memory, with a browser that a script drives. */

import type { OAuthDiscoveryState, OAuthClientProvider as ProviderV2 } from '@modelcontextprotocol/client';
import type { OAuthClientProvider as ProviderV1 } from '@modelcontextprotocol/sdk/client/auth.js';
import type { OAuthClientInformationMixed, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js';
import { browser, type Person } from './browser.ts';

export interface Memory {
  client?: OAuthClientInformationMixed;
  tokens?: OAuthTokens;
  verifier?: string;
  /** Whose callback is waited for: SDK v2 redeems a code nowhere else. */
  discovery?: OAuthDiscoveryState;
  /** Where the browser was sent back to, with `code`, `state` and `iss`. */
  callback?: URL;
}

/** Serves both SDKs: their interfaces differ only in what these methods may be told besides. */
export function oauthProvider(
  person: Person,
  memory: Memory = {},
  grantTypes: readonly string[] = ['authorization_code', 'refresh_token'],
): ProviderV1 & ProviderV2 {
  const screen = browser();
  return {
    redirectUrl: 'http://127.0.0.1:33418/callback',
    clientMetadata: {
      client_name: 'Flow test',
      redirect_uris: ['http://127.0.0.1:33418/callback'],
      grant_types: [...grantTypes],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    state: () => 'a state/with + odd ~ characters',
    clientInformation: () => memory.client,
    saveClientInformation(client) {
      memory.client = client;
    },
    tokens: () => memory.tokens,
    saveTokens(tokens) {
      memory.tokens = tokens;
    },
    saveCodeVerifier(verifier) {
      memory.verifier = verifier;
    },
    codeVerifier: () => memory.verifier ?? '',
    saveDiscoveryState(state: OAuthDiscoveryState) {
      memory.discovery = state;
    },
    discoveryState: () => memory.discovery,
    async redirectToAuthorization(url) {
      memory.callback = await screen.authorize(url, person);
    },
  };
}
