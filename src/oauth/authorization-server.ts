/** The authorization server: its endpoint table, and the guard of the resources it issues tokens for. */

import type { Log } from '../log.ts';
import type { Middleware, Route } from '../router/handler.ts';
import type { Store } from '../store/store.ts';
import type { AuthConfig } from './config.ts';
import type { ProtectedResource } from './resource.ts';

export interface AuthorizationServer extends AsyncDisposable {
  /** The built-in endpoints. Rules name the path only; hosts and CORS are the gateway's to add. */
  readonly routes: readonly Route[];
  /** Bearer token to caller; 401 and 403 with the challenge otherwise. */
  guard(resource: ProtectedResource): Middleware;
}

export interface AuthorizationServerDeps {
  readonly publicUrl: URL;
  readonly store: Store;
  readonly log: Log;
  readonly resources: readonly ProtectedResource[];
}

export type StartAuthorizationServer = (config: AuthConfig, deps: AuthorizationServerDeps) => AuthorizationServer;
