/** What clients discover: RFC 8414 authorization server metadata, RFC 9728 protected resource metadata, RFC 7517 keys. */

import type { Handler, Reply } from '../router/handler.ts';
import { assertionAlgorithms } from './client-assertion.ts';
import { authMethods, grantTypes } from './client-metadata.ts';
import type { AuthConfig } from './config.ts';
import type { SigningKeys } from './keys.ts';
import { refusedPath } from './methods.ts';
import { canonicalResource, type ProtectedResource, type Resources, scopesOf } from './resource.ts';

/** RFC 9728 §3: inserted between the host and the path of a resource. */
export const resourceMetadataPath = '/.well-known/oauth-protected-resource';

interface MetadataParts {
  readonly config: AuthConfig;
  readonly issuer: string;
  readonly resources: Resources;
}

/** RFC 8414 §2, with the members OpenID Connect Discovery wants, for clients that look there. */
export function serverMetadata({ config, issuer, resources }: MetadataParts): Handler {
  const methods = authMethods;
  const document = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    ...(config.registration.mode === 'open' && { registration_endpoint: `${issuer}/register` }),
    // RFC 8628 §4.
    device_authorization_endpoint: `${issuer}/device_authorization`,
    revocation_endpoint: `${issuer}/revoke`,
    introspection_endpoint: `${issuer}/introspect`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    scopes_supported: scopesOf(resources.all),
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: grantTypes,
    // RFC 7636 §4.2, OAuth 2.1 §4.1.1: plain is not offered.
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: methods,
    // RFC 8414 §2: named wherever private_key_jwt is.
    token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    revocation_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    introspection_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    // Client ID Metadata Documents §5.
    client_id_metadata_document_supported: config.clientIdMetadataDocuments,
    // RFC 9207 §3.
    authorization_response_iss_parameter_supported: true,
    // RFC 9728 §4.
    protected_resources: resources.all.map((resource) => resource.identifier),
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [config.signingAlgorithm],
  };
  const reply = cacheable(document);
  return () => reply;
}

/** RFC 9728 §2: one document per resource, found by the path it was inserted into. */
export function resourceMetadata({ issuer, resources }: Omit<MetadataParts, 'config'>): Handler {
  const documents = new Map(resources.all.map((resource) => [resource, cacheable(documentOf(resource, issuer))]));
  const whole = cacheable(
    documentOf({ identifier: issuer, name: 'mcp-gateway', scopes: scopesOf(resources.all) }, issuer),
  );
  const ours = new URL(issuer).hostname;
  return ({ path, host }) => {
    const suffix = path.slice(resourceMetadataPath.length).replace(/\/+$/, '');
    const found = documentAt(host, suffix) ?? documentAt(ours, suffix);
    if (found) return documents.get(found) ?? refusedPath();
    // Asked at the root where there are several: the origin stands for all of them, as `resource` does at /authorize.
    return suffix === '' && resources.all.length > 0 ? whole : refusedPath();
  };

  /** RFC 9728 §3.3: a host speaks for its own resources. At the root, for the one it has. */
  function documentAt(host: string, suffix: string): ProtectedResource | undefined {
    const here = resources.all.filter((resource) => new URL(resource.identifier).hostname === host);
    const own = here.filter(({ alias }) => !alias);
    return (
      here.find((resource) => pathOf(resource) === suffix) ?? (suffix === '' && own.length === 1 ? own[0] : undefined)
    );
  }
}

/**
 * Where clients look that take a resource for an issuer, as was right before RFC 9728. RFC 8414 §3.1 puts the issuer's
 * path there and ours has none, so that a document would fail their check; but the 404 must be one that a page of another
 * origin can read, or it takes the server for dead.
 */
export function misplaced(resources: Resources): string[] {
  const paths = new Set(resources.all.map(pathOf).filter((path) => path !== ''));
  return [...paths].flatMap((path) => [
    `/.well-known/oauth-authorization-server${path}`,
    `/.well-known/openid-configuration${path}`,
  ]);
}

function documentOf(resource: Pick<ProtectedResource, 'identifier' | 'name' | 'scopes'>, issuer: string): object {
  return {
    resource: resource.identifier,
    // MCP, authorization: at least one, and byte for byte the issuer of its metadata.
    authorization_servers: [issuer],
    scopes_supported: scopesOf([{ ...resource }]),
    bearer_methods_supported: ['header'],
    resource_name: resource.name,
  };
}

/** RFC 9728 §3.1: where the document of a resource is. */
export function resourceMetadataUrl(resource: ProtectedResource): string {
  const url = new URL(resource.identifier);
  return `${url.origin}${resourceMetadataPath}${pathOf(resource)}`;
}

function pathOf(resource: ProtectedResource): string {
  const url = new URL(canonicalResource(resource.identifier) ?? resource.identifier);
  return url.pathname.replace(/\/+$/, '');
}

/** RFC 7517 §5. */
export function keySet(keys: SigningKeys): Handler {
  // Shorter than a new key is published ahead of its first signature.
  return async () => cacheable(await keys.published(), 15);
}

function cacheable(body: object, seconds = 300): Reply {
  return { status: 200, headers: { 'cache-control': `public, max-age=${seconds}` }, body };
}
