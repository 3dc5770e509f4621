/** From a server's challenge to who gives tokens for it: RFC 9728, then RFC 8414, then what older servers have instead. */

import { type AuthorizationServer, allowInsecureRequests, processDiscoveryResponse } from 'oauth4webapi';
import { isLoopback } from '../config.ts';
import type { Challenge } from './challenge.ts';

export interface Discovered {
  /** RFC 8707: what a token has to be asked for. */
  readonly resource: string;
  readonly scopes: readonly string[] | undefined;
  readonly server: AuthorizationServer;
}

/** Milliseconds for each document. */
const patience = 15_000;

/** Rejects with one sentence where the documents are not there or contradict each other. */
export async function discover(endpoint: URL, { resourceMetadata }: Challenge): Promise<Discovered> {
  const known = `${endpoint.origin}/.well-known/oauth-protected-resource`;
  const path = endpoint.pathname.replace(/\/$/, '');
  // RFC 9728 §3.1, and MCP 2025-11-25 authorization: the path of the resource first, then the root.
  const places = resourceMetadata === undefined ? [...new Set([`${known}${path}`, known])] : [resourceMetadata];
  for (const place of places) {
    const response = await get(place);
    if (response === undefined) continue;
    const metadata = (await response.json()) as Record<string, unknown>;
    const { resource, authorization_servers: servers, scopes_supported: scopes } = metadata;
    if (typeof resource !== 'string' || !covers(resource, endpoint))
      throw new Error(`${place} describes ${String(resource)}, not ${endpoint.href} (RFC 9728 §3.3)`);
    const issuer: unknown = Array.isArray(servers) ? servers[0] : undefined;
    if (typeof issuer !== 'string' || !URL.canParse(issuer)) throw new Error(`${place} names nobody to log in at`);
    const server = await authorizationServer(issuer);
    if (server === undefined) throw new Error(`${issuer} says nowhere how to log in (RFC 8414)`);
    return { resource, scopes: Array.isArray(scopes) ? scopes.map(String) : undefined, server };
  }
  const { origin } = endpoint;
  const server = (await authorizationServer(origin)) ?? withoutMetadata(origin);
  return { resource: endpoint.href, scopes: undefined, server };
}

/** Plain http is for this machine alone: OAuth 2.1 §1.5. */
export function transport(url: string | URL): { [allowInsecureRequests]: boolean; signal: AbortSignal } {
  return { [allowInsecureRequests]: isLoopback(new URL(url).hostname), signal: AbortSignal.timeout(patience) };
}

/** A resource may be a whole server, of which the endpoint is a part; never another one. */
function covers(resource: string, endpoint: URL): boolean {
  const url = URL.parse(resource);
  const inside = (path: string) => `${path.replace(/\/$/, '')}/`;
  return url?.origin === endpoint.origin && inside(endpoint.pathname).startsWith(inside(url.pathname));
}

/** MCP 2025-11-25 authorization, "Authorization Server Metadata Discovery": where and in which order. */
async function authorizationServer(issuer: string): Promise<AuthorizationServer | undefined> {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const places = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
  for (const place of new Set(places)) {
    const response = await get(place);
    if (response === undefined) continue;
    // RFC 8414 §3.3: the issuer in the document is the one that was asked for.
    const server = await processDiscoveryResponse(new URL(issuer), response);
    // MCP 2025-11-25 authorization, "Authorization Code Protection": no PKCE, no login.
    if (!server.code_challenge_methods_supported?.includes('S256'))
      throw new Error(`${issuer} does not say that it checks PKCE with S256 (RFC 7636), so its codes could be stolen`);
    return server;
  }
  return undefined;
}

/** MCP 2025-03-26 authorization, "Fallbacks for Servers without Metadata Discovery". */
function withoutMetadata(issuer: string): AuthorizationServer {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    registration_endpoint: `${issuer}/register`,
  };
}

/** Undefined where there is no such document. */
async function get(place: string): Promise<Response | undefined> {
  const url = URL.parse(place);
  if (url?.protocol !== 'https:' && !(url?.protocol === 'http:' && isLoopback(url.hostname)))
    throw new Error(`${place} is no https URL, so nobody knows who answers there`);
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    redirect: 'manual',
    signal: AbortSignal.timeout(patience),
  }).catch((error: Error) => {
    throw new Error(`${url.origin} cannot be reached: ${error.cause instanceof Error ? error.cause.message : error}`);
  });
  if (response.status === 200) return response;
  await response.arrayBuffer();
  if (response.status >= 500) throw new Error(`${place} answered ${response.status}; try again later`);
  return undefined;
}
