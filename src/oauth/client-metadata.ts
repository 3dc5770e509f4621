/** What a client says about itself, RFC 7591 §2, whether registered, configured or published at its own URL. */

import type { JWK } from 'jose';
import * as z from 'zod';
import { OAuthError } from './errors.ts';
import { redirectUriFault } from './redirect-uri.ts';

export const authMethods = ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;
export type AuthMethod = (typeof authMethods)[number];

export const grantTypes = [
  'authorization_code',
  'refresh_token',
  'urn:ietf:params:oauth:grant-type:device_code',
] as const;

/** By their wire names, defaults filled in. A member the client did not send and that has no default is absent. */
export interface ClientMetadata {
  readonly redirect_uris: readonly string[];
  readonly token_endpoint_auth_method: AuthMethod;
  readonly grant_types: readonly string[];
  readonly response_types: readonly string[];
  readonly client_name?: string | undefined;
  readonly client_uri?: string | undefined;
  readonly logo_uri?: string | undefined;
  readonly tos_uri?: string | undefined;
  readonly policy_uri?: string | undefined;
  readonly scope?: string | undefined;
  readonly contacts?: readonly string[] | undefined;
  readonly jwks_uri?: string | undefined;
  readonly jwks?: { readonly keys: readonly JWK[] } | undefined;
  readonly software_id?: string | undefined;
  readonly software_version?: string | undefined;
  readonly application_type?: 'web' | 'native' | undefined;
}

const text = (limit: number) =>
  z
    .string()
    .max(limit, `is longer than ${limit} characters`)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
    .regex(/^[^\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]*$/, 'has control characters');

/** RFC 7591 §2: pages for people, so the web and nothing that runs. */
const page = () =>
  text(2048).refine((uri) => URL.canParse(uri) && /^https?:$/.test(new URL(uri).protocol), 'is not a web URL');
const secure = () =>
  text(2048).refine((uri) => URL.canParse(uri) && new URL(uri).protocol === 'https:', 'is not an https URL');

/** RFC 7517 §4: public keys only; a private or shared one was sent by mistake and must not be kept. */
const publicKey = () =>
  z
    .looseObject({ kty: z.enum(['RSA', 'EC', 'OKP'], 'is not RSA, EC or OKP') })
    .refine((jwk) => !('d' in jwk) && !('k' in jwk) && !('p' in jwk), 'has private members');

// Made when the first client says something.
const shape = z.lazy(() =>
  z.object({
    redirect_uris: z.array(z.string()).max(32, 'has more than 32 members').default([]),
    token_endpoint_auth_method: z.enum(authMethods).default('client_secret_basic'),
    grant_types: z.array(text(128)).max(16).default(['authorization_code', 'refresh_token']),
    response_types: z.array(text(64)).max(16).optional(),
    client_name: text(200).optional(),
    client_uri: page().optional(),
    logo_uri: page().optional(),
    tos_uri: page().optional(),
    policy_uri: page().optional(),
    scope: text(2000).optional(),
    contacts: z.array(text(254)).max(16).optional(),
    jwks_uri: secure().optional(),
    jwks: z.object({ keys: z.array(publicKey()).min(1, 'is empty').max(16) }).optional(),
    software_id: text(200).optional(),
    software_version: text(200).optional(),
    application_type: z.enum(['web', 'native']).optional(),
  }),
);

/**
 * The metadata as it will be kept and echoed. RFC 7591 §2: members we do not know are ignored. A member that is null
 * counts as absent: clients in use send `null` and `""` for what they do not have. Refuses with
 * invalid_redirect_uri or invalid_client_metadata.
 */
export function clientMetadata(input: unknown, options: { readonly bareClient?: boolean } = {}): ClientMetadata {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new OAuthError('invalid_client_metadata', 'The client metadata must be a JSON object');
  }
  const present = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null && value !== ''));
  const parsed = shape.safeParse(present);
  if (!parsed.success) {
    const fault = parsed.error.issues[0];
    const member = fault?.path.join('.') ?? '';
    const code = fault?.path[0] === 'redirect_uris' ? 'invalid_redirect_uri' : 'invalid_client_metadata';
    throw new OAuthError(code, `${member}: ${fault?.message ?? 'is not valid'}`);
  }
  const { redirect_uris: sent, grant_types: asked, response_types: answers, ...rest } = parsed.data;
  const redirect_uris = [...new Set(sent)];
  for (const uri of redirect_uris) {
    const fault = redirectUriFault(uri);
    if (fault) throw new OAuthError('invalid_redirect_uri', `The redirect URI ${uri.slice(0, 200)} ${fault}`);
  }
  // RFC 7591 §2: the server may replace what it is asked for; grant types it does not have are left out.
  const grant_types = asked.filter((type) => (grantTypes as readonly string[]).includes(type));
  if (grant_types.length === 0 || (grant_types.length === 1 && grant_types[0] === 'refresh_token')) {
    throw new OAuthError('invalid_client_metadata', 'grant_types: none of them begins a grant here');
  }
  const redirects = grant_types.includes('authorization_code');
  // RFC 7591 §2: a client of a redirect-based flow must register its redirect URIs.
  if (redirects && redirect_uris.length === 0 && options.bareClient !== true) {
    throw new OAuthError('invalid_redirect_uri', 'redirect_uris: at least one is needed');
  }
  // RFC 7591 §2.1: authorization_code and code belong together.
  const response_types = redirects ? ['code'] : [];
  if (answers !== undefined && redirects && !answers.includes('code')) {
    throw new OAuthError('invalid_client_metadata', 'response_types: only code is known here');
  }
  // RFC 7591 §2: jwks and jwks_uri exclude each other.
  if (rest.jwks !== undefined && rest.jwks_uri !== undefined) {
    throw new OAuthError('invalid_client_metadata', 'jwks and jwks_uri cannot both be given');
  }
  // OpenID Connect Registration §2: the keys that its assertions are checked with.
  if (rest.token_endpoint_auth_method === 'private_key_jwt' && !rest.jwks && !rest.jwks_uri) {
    throw new OAuthError(
      'invalid_client_metadata',
      'token_endpoint_auth_method: private_key_jwt needs jwks or jwks_uri',
    );
  }
  return { redirect_uris, grant_types, response_types, ...rest };
}
