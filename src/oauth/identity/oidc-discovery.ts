/** What an OpenID Connect provider says about itself, OpenID Connect Discovery 1.0 §4, and its keys. */

import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose';
import * as z from 'zod';
import { LoginFailed } from './identity-provider.ts';
import { askProvider } from './provider-fetch.ts';

/** Public-key signatures alone: `none` and shared secrets prove nothing about the provider. */
const asymmetric = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

const endpoint = z.url({ protocol: /^https?$/ });
const document = z.object({
  issuer: z.string(),
  authorization_endpoint: endpoint,
  token_endpoint: endpoint,
  userinfo_endpoint: endpoint.optional(),
  jwks_uri: endpoint,
  // OpenID Connect Discovery §3: RS256 is what every provider has.
  id_token_signing_alg_values_supported: z.array(z.string()).default(['RS256']),
  token_endpoint_auth_methods_supported: z.array(z.string()).default(['client_secret_basic']),
  authorization_response_iss_parameter_supported: z.boolean().default(false),
});

export interface OidcMetadata extends z.infer<typeof document> {
  readonly algorithms: readonly string[];
  /** Read when first wanted, and again for a key it has not got, with a pause between. */
  readonly keys: JWTVerifyGetKey;
}

/** Milliseconds. */
const keptFor = 3_600_000;
const keysTimeout = 10_000;
const keysCooldown = 30_000;

/** Read when first wanted and once an hour; a failure is not kept. `title` names the provider to people. Throws LoginFailed. */
export function discovery(title: string, issuer: string): () => Promise<OidcMetadata> {
  // §4.1: appended to the issuer, whose last slash is taken off for that.
  const url = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  let kept: { readonly read: Promise<OidcMetadata>; readonly until: number } | undefined;
  return () => {
    if (kept !== undefined && kept.until > Date.now()) return kept.read;
    const reading = read(title, issuer, url);
    kept = { read: reading, until: Date.now() + keptFor };
    reading.catch(() => {
      if (kept?.read === reading) kept = undefined;
    });
    return reading;
  };
}

async function read(title: string, issuer: string, url: URL): Promise<OidcMetadata> {
  const { status, json } = await askProvider(title, url, { headers: { accept: 'application/json' } });
  const parsed = document.safeParse(json);
  const fault = (what: string) =>
    new LoginFailed('failed', `${title} is not set up as this gateway expects. Tell its operator.`, {
      cause: new Error(`${url}: ${what}`),
    });
  if (status !== 200 || !parsed.success)
    throw fault(status === 200 ? z.prettifyError(parsed.error ?? new z.ZodError([])) : `answers ${status}`);
  const metadata = parsed.data;
  // §4.3: byte for byte, or another provider could speak for this one.
  if (metadata.issuer !== issuer) throw fault(`it is the document of ${metadata.issuer}, not of ${issuer}`);
  const algorithms = metadata.id_token_signing_alg_values_supported.filter((name) => asymmetric.includes(name));
  if (algorithms.length === 0) throw fault('it signs with no public key');
  const keys = createRemoteJWKSet(new URL(metadata.jwks_uri), {
    timeoutDuration: keysTimeout,
    cooldownDuration: keysCooldown,
  });
  return { ...metadata, algorithms, keys };
}
