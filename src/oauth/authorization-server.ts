/** The authorization server: its endpoint table, and the guard of the resources it issues tokens for. */

import type { Handler, Middleware, Route, Step } from '../router/handler.ts';
import type { Store } from '../store/store.ts';
import { accessTokens } from './access-token.ts';
import { accountPage } from './account.ts';
import type { Administration } from './administration.ts';
import { type Administrators, administrators } from './administrators.ts';
import { authorizeEndpoints } from './authorize.ts';
import { browserSide, readableErrors } from './browser-side.ts';
import { clientAssertions } from './client-assertion.ts';
import { clientAuthentication } from './client-auth.ts';
import { clients } from './clients.ts';
import type { AuthConfig } from './config.ts';
import { deviceAuthorizationEndpoint, deviceGrant, deviceGrantType, devicePage } from './device.ts';
import { deviceCodes } from './device-codes.ts';
import { grants } from './grants.ts';
import { checks, guard } from './guard.ts';
import { loginProviders } from './identity/providers.ts';
import { introspectionEndpoint } from './introspect.ts';
import { signingKeys } from './keys.ts';
import { localUsers } from './local-users.ts';
import { stillAllowed } from './login.ts';
import { keySet, misplaced, resourceMetadata, resourceMetadataPath, serverMetadata } from './metadata.ts';
import { metadataDocuments } from './metadata-document.ts';
import { methods, refusedPath } from './methods.ts';
import { personalTokens } from './personal-tokens.ts';
import { isLoopbackHost } from './redirect-uri.ts';
import { refreshTokens } from './refresh-token.ts';
import { clientConfigurationEndpoint, registrationEndpoint } from './register.ts';
import { type ProtectedResource, resources } from './resource.ts';
import { revocationEndpoint } from './revoke.ts';
import { strangerFetch } from './stranger-fetch.ts';
import { grantLifetime, tokenEndpoint } from './token.ts';
import { tokenSearch } from './token-search.ts';
import { verifyEndpoint } from './verify.ts';

export interface AuthorizationServer {
  /** For a person's browser: never readable by pages of other origins. Rules name the path only; hosts are the gateway's to add. */
  readonly pages: readonly Route[];
  /** For clients, in JSON; a client may run in a page of any origin. */
  readonly endpoints: readonly Route[];
  /** As `endpoints`, but at the host of every resource: RFC 9728 §3 has a resource describe itself. */
  readonly discovery: readonly Route[];
  /** For proxies in front, whose requests carry the host of what they guard. */
  readonly verify: Route;
  /** Bearer token to caller; 401 and 403 with the challenge otherwise. */
  guard(resource: ProtectedResource): Middleware;
  readonly administration: Administration;
  readonly administrators: Administrators;
}

export interface AuthorizationServerDeps {
  readonly publicUrl: URL;
  readonly store: Store;
  readonly resources: readonly ProtectedResource[];
}

/** Begins to make a signing key in the background where the store has none. */
export async function authorizationServer(
  config: AuthConfig,
  { publicUrl, store, resources: guarded }: AuthorizationServerDeps,
): Promise<AuthorizationServer> {
  // RFC 8414 §2: the issuer is an origin without a trailing slash, the same byte for byte wherever it is named.
  const issuer = publicUrl.origin;
  const known = resources(guarded, publicUrl);
  const lifetimeOf = grantLifetime(config);
  const allGrants = grants(store, lifetimeOf);
  const fetchJson = strangerFetch({ loopback: isLoopbackHost(publicUrl.hostname) });
  const documents = config.clientIdMetadataDocuments ? metadataDocuments(fetchJson) : undefined;
  const allClients = clients(config, { store, grants: allGrants, documents });
  const keys = signingKeys(store, config.signingAlgorithm, config.accessTokenLifetime);
  const access = accessTokens({ issuer, keys, grants: allGrants });
  const refresh = refreshTokens(store, allGrants, config.refreshGrace);
  const providers = await loginProviders(config.login, store);
  const users = localUsers(config.login.password, { store, grants: allGrants });
  const tokens = personalTokens({ resources: guarded, grants: allGrants, accessTokens: access, users, providers });
  const assertions = clientAssertions({ issuer, store, fetchJson });
  const authenticate = clientAuthentication(allClients, assertions);
  const search = tokenSearch(access, refresh);
  const check = checks({ accessTokens: access, bareNames: providers.length === 1 });
  const shared = { publicUrl, store, clients: allClients, grants: allGrants, resources: known, providers };
  const side = browserSide(shared);
  const browser = authorizeEndpoints(side);
  const account = accountPage(side, browser);
  const deviceParts = { side, codes: deviceCodes(store), authenticate, logIn: browser.logIn };
  const device = devicePage(deviceParts);
  const registration = { config: config.registration, issuer, store, clients: allClients };

  const metadata = serverMetadata({ config, issuer, resources: known });
  const keySetHandler = keySet(keys);
  const get = (handler: Handler) => methods({ GET: handler });
  const post = (handler: Handler) => methods({ POST: handler });
  const page = (handler: Handler) => readableErrors(handler);
  const about = (step: Step, handler: Handler): Handler => {
    return (exchange) => {
      exchange.notes.step = step;
      return handler(exchange);
    };
  };
  const route = (standard: string, rule: string, service: Handler): Route => ({
    name: rule.replace(/^Path(Prefix)?\(`|`\)$/g, '').replace(/`\).*$/, ''),
    rule,
    guarded: false,
    target: standard,
    service,
  });

  return {
    pages: [
      route(
        'OAuth 2.1 §4.1.1',
        'Path(`/authorize`)',
        page(methods({ GET: about('authorization', browser.authorizeGet), POST: browser.authorizePost })),
      ),
      route('identity providers', 'Path(`/callback`)', page(get(browser.callback))),
      route('RFC 6819 §5.2.4.1', 'Path(`/account`)', page(methods({ GET: account.get, POST: account.post }))),
      route('RFC 8628 §3.3', 'Path(`/device`)', page(methods({ GET: device.get, POST: device.post }))),
    ],
    endpoints: [
      route('RFC 8414', 'Path(`/.well-known/oauth-authorization-server`)', about('discovery', get(metadata))),
      route('RFC 8414', 'Path(`/.well-known/openid-configuration`)', about('discovery', get(metadata))),
      route('RFC 7517', 'Path(`/.well-known/jwks.json`)', get(keySetHandler)),
      route('RFC 7517', 'Path(`/jwks`)', get(keySetHandler)),
      ...(config.registration.mode === 'open'
        ? [route('RFC 7591', 'Path(`/register`)', about('registration', post(registrationEndpoint(registration))))]
        : []),
      route('RFC 7592', 'PathPrefix(`/register/`)', clientConfigurationEndpoint(registration)),
      route(
        'OAuth 2.1 §3.2',
        'Path(`/token`)',
        about(
          'token',
          post(
            tokenEndpoint({
              config,
              issuer,
              resources: known,
              clients: allClients,
              grants: allGrants,
              accessTokens: access,
              refreshTokens: refresh,
              authenticate,
              stillAllowed: stillAllowed(providers),
              grantTypes: { [deviceGrant]: deviceGrantType(deviceParts.codes, allGrants, lifetimeOf) },
            }),
          ),
        ),
      ),
      route(
        'RFC 8628',
        'Path(`/device_authorization`)',
        about('authorization', post(deviceAuthorizationEndpoint(deviceParts))),
      ),
      route('RFC 7009', 'Path(`/revoke`)', post(revocationEndpoint({ authenticate, grants: allGrants, search }))),
      route('RFC 7662', 'Path(`/introspect`)', post(introspectionEndpoint({ issuer, authenticate, search }))),
    ],
    discovery: [
      ...misplaced(known).map((path) => route('RFC 8414', `Path(\`${path}\`)`, get(refusedPath))),
      route(
        'RFC 9728',
        `Path(\`${resourceMetadataPath}\`) || PathPrefix(\`${resourceMetadataPath}/\`)`,
        about('discovery', get(resourceMetadata({ issuer, resources: known }))),
      ),
    ],
    verify: route('ForwardAuth', 'Path(`/verify`)', verifyEndpoint(check, guarded)),
    guard: (resource) => guard(check, resource),
    administration: { clients: allClients, grants: allGrants, keys, users, tokens },
    administrators: administrators(side, browser, config.admins),
  };
}
