/** The ways to log in that the configuration names, in the order the login page offers them. */

import type { Store } from '../../store/store.ts';
import type { AuthConfig } from '../config.ts';
import type { LoginProvider } from './identity-provider.ts';
import { passwordProvider } from './password.ts';

export async function loginProviders(login: AuthConfig['login'], store: Store): Promise<LoginProvider[]> {
  return [
    ...(login.password ? [passwordProvider(login.password, store)] : []),
    ...(login.oidc ? login.oidc.map((await import('./oidc.ts')).oidc) : []),
    ...(login.github ? [(await import('./github.ts')).github(login.github)] : []),
  ];
}
