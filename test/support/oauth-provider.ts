/** What an MCP client keeps of OAuth, for the SDKs' clients: in memory, with a browser that a script drives. */

import type { OAuthClientProvider as ProviderV2 } from '@modelcontextprotocol/client';
import type { OAuthClientProvider as ProviderV1 } from '@modelcontextprotocol/sdk/client/auth.js';
import type { OAuthClientInformationMixed, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js';
import { browser, type Person } from './browser.ts';

export interface Memory {
  client?: OAuthClientInformationMixed;
  tokens?: OAuthTokens;
  verifier?: string;
  /** Where the browser was sent back to, with `code`, `state` and `iss`. */
  callback?: URL;
}

/** Serves both SDKs: their interfaces differ only in what these methods may be told besides. */
export function oauthProvider(person: Person, memory: Memory = {}): ProviderV1 & ProviderV2 {
  const screen = browser();
  return {
    redirectUrl: 'http://127.0.0.1:33418/callback',
    clientMetadata: {
      client_name: 'Flow test',
      redirect_uris: ['http://127.0.0.1:33418/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
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
    async redirectToAuthorization(url) {
      memory.callback = await screen.authorize(url, person);
    },
  };
}
