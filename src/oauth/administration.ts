/** What an operator may look at and change, whoever asks for them: the admin socket, or a page. */

import type { Clients } from './clients.ts';
import type { Grants } from './grants.ts';
import type { SigningKeys } from './keys.ts';
import type { LocalUsers } from './local-users.ts';
import type { PersonalTokens } from './personal-tokens.ts';

export interface Administration {
  readonly clients: Clients;
  readonly grants: Grants;
  readonly keys: SigningKeys;
  readonly users: LocalUsers;
  readonly tokens: PersonalTokens;
}
