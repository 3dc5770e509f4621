/** The ways to log in that the configuration names, in the order the login page offers them. */

import type { Store } from '../../store/store.ts';
import type { AuthConfig } from '../config.ts';
import { github } from './github.ts';
import type { LoginProvider } from './identity-provider.ts';
import { oidc } from './oidc.ts';
import { passwordProvider } from './password.ts';

export function loginProviders(login: AuthConfig['login'], store: Store): LoginProvider[] {
  return [
    ...(login.password ? [passwordProvider(login.password, store)] : []),
    ...(login.oidc ?? []).map(oidc),
    ...(login.github ? [github(login.github)] : []),
  ];
}
