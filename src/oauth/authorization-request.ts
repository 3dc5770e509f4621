/** An authorization request is found valid, told to the person, or sent back to the client (OAuth 2.1 §4.1). */

import type { Reply } from '../router/handler.ts';
import type { Client, Clients } from './clients.ts';
import { OAuthError, redirectError } from './errors.ts';
import { parameters } from './form.ts';
import { isCodeChallenge } from './pkce.ts';
import { matchRedirectUri } from './redirect-uri.ts';
import { type Resources, scopesOf } from './resource.ts';
import { grantable, parseScope } from './scope.ts';

/** Found valid; nothing in it is asked of the browser again. */
export interface AuthorizationRequest {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly state?: string;
  readonly codeChallenge: string;
  /** Resource identifiers. */
  readonly resources: readonly string[];
  readonly scope: readonly string[];
}

export interface Prompt {
  /** `prompt=none`: answer without any page, or not at all. */
  readonly silent: boolean;
  /** The consent page is wanted even where consent is remembered. */
  readonly consent: boolean;
  /** Milliseconds since the epoch; a login from before does not count. */
  readonly loginSince: number;
}

export type Validated =
  | { readonly client: Client; readonly request: AuthorizationRequest; readonly prompt: Prompt }
  | { readonly client: Client; readonly error: OAuthError; readonly back: Reply };

export interface ValidatorDeps {
  readonly issuer: string;
  readonly clients: Clients;
  readonly resources: Resources;
}

/**
 * Reads an authorization request. Throws OAuthError where the client or the redirect URI is in doubt: that is for the person to
 * see and never redirected (OAuth 2.1 §4.1.2.1, RFC 9700 §4.11). Any other fault goes back to the client, with `state` and `iss`.
 */
export async function validated(query: string, { issuer, clients, resources }: ValidatorDeps): Promise<Validated> {
  const raw = new URLSearchParams(query);
  const client = await clientOf(raw, clients);
  const redirectUri = redirectUriOf(raw, client);
  const state = single(raw, 'state');
  const to = { redirectUri, issuer, ...(state !== undefined && { state }) };
  try {
    const sent = parameters(query);
    // OAuth 2.1 §4.1.1: `code` is the only response type.
    if (sent.require('response_type') !== 'code') {
      throw new OAuthError('unsupported_response_type', 'The response_type must be code');
    }
    if (!client.metadata.grant_types.includes('authorization_code')) {
      throw new OAuthError('unauthorized_client', 'The client is not registered for the authorization_code grant');
    }
    const mode = sent.get('response_mode');
    if (mode !== undefined && mode !== 'query')
      throw new OAuthError('invalid_request', 'The response_mode must be query');
    // RFC 7636 §4.4.1: a missing challenge, and RFC 9700 §2.1.1: one that is not hashed, are refused. Absent means plain (§4.3).
    const codeChallenge = sent.get('code_challenge');
    if (codeChallenge === undefined || sent.get('code_challenge_method') !== 'S256') {
      throw new OAuthError('invalid_request', 'PKCE is required: send code_challenge with code_challenge_method=S256');
    }
    if (!isCodeChallenge(codeChallenge)) {
      throw new OAuthError('invalid_request', 'The code_challenge is not a SHA-256 hash in base64url');
    }
    const meant = resources.requested(sent.resources);
    const scope = grantable(parseScope(sent.get('scope')), scopesOf(meant));
    const identifiers = meant.map(({ identifier }) => identifier);
    const request = {
      clientId: client.id,
      redirectUri,
      codeChallenge,
      resources: identifiers,
      scope,
      ...(state !== undefined && { state }),
    };
    return { client, request, prompt: promptOf(sent.get('prompt'), sent.get('max_age')) };
  } catch (error) {
    if (error instanceof OAuthError) return { client, error, back: redirectError(error, to) };
    throw error;
  }
}

async function clientOf(raw: URLSearchParams, clients: Clients): Promise<Client> {
  const id = single(raw, 'client_id');
  if (id === undefined) throw new OAuthError('invalid_request', 'The client_id is missing or sent more than once');
  const client = await clients.find(id);
  if (client !== undefined) return client;
  // 400, since no credentials were asked for. Clients that keep their registration look for this code and register again.
  const description = 'There is no client with this client_id; it may have expired. Register again';
  throw new OAuthError('invalid_client', description, { status: 400 });
}

function redirectUriOf(raw: URLSearchParams, client: Client): string {
  const registered = client.metadata.redirect_uris;
  const sent = raw.getAll('redirect_uri').filter((uri) => uri !== '');
  if (sent.length > 1) throw new OAuthError('invalid_request', 'The redirect_uri is sent more than once');
  // OAuth 2.1 §4.1.1: it may be left out where only one is registered.
  const requested = sent[0] ?? (registered.length === 1 ? registered[0] : undefined);
  if (requested === undefined) throw new OAuthError('invalid_request', 'The redirect_uri is missing');
  const matched = matchRedirectUri(requested, registered);
  if (matched !== undefined) return matched;
  throw new OAuthError('invalid_request', 'The redirect_uri is not one that this client has registered');
}

/** Undefined where it is absent, empty, or sent twice and so nobody's. */
function single(raw: URLSearchParams, name: string): string | undefined {
  const values = raw.getAll(name).filter((value) => value !== '');
  return values.length === 1 ? values[0] : undefined;
}

/** OpenID Connect Core §3.1.2.1: `prompt` and `max_age`, which clients send to plain OAuth servers too. Unknown words are ignored. */
function promptOf(prompt: string | undefined, maxAge: string | undefined): Prompt {
  const words = new Set(prompt?.split(' ') ?? []);
  if (words.has('none') && words.size > 1) throw new OAuthError('invalid_request', 'prompt=none stands alone');
  if (maxAge !== undefined && !/^\d{1,9}$/.test(maxAge)) {
    throw new OAuthError('invalid_request', 'The max_age is not a number of seconds');
  }
  const fresh = words.has('login') || words.has('select_account');
  const loginSince = fresh ? Date.now() : maxAge === undefined ? 0 : Date.now() - Number(maxAge) * 1000;
  return { silent: words.has('none'), consent: words.has('consent'), loginSince };
}
