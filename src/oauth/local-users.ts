/** Password users as the operator manages them: those of the configuration are read, those in the store come and go. */

import { refusal } from '../router/handler.ts';
import { collection, type Store } from '../store/store.ts';
import type { AuthConfig } from './config.ts';
import { consents } from './consent.ts';
import type { Grants } from './grants.ts';
import { passwordUsers } from './identity/password.ts';
import type { Login } from './login.ts';
import { parsePasswordHash } from './password.ts';

export interface LocalUser {
  readonly name: string;
  readonly from: 'configuration' | 'store';
}

export interface LocalUsers {
  list(): Promise<LocalUser[]>;
  has(name: string): Promise<boolean>;
  /** `hash` is a PHC string. Refuses a name that is there already, unless `replace` gives it a new password, which ends its logins. */
  add(name: string, hash: string, options?: { readonly replace?: boolean }): Promise<void>;
  /** Ends the user's logins, consents and every token too. Refuses a name that is not there, or is the configuration's. */
  remove(name: string): Promise<void>;
}

export function localUsers(
  password: AuthConfig['login']['password'],
  { store, grants }: { readonly store: Store; readonly grants: Grants },
): LocalUsers {
  const added = passwordUsers(store);
  const logins = collection<Login>(store, 'login');
  const allConsents = consents(store);
  const configured = new Map(Object.entries(password?.users ?? {}));

  async function endLogins(subject: string): Promise<void> {
    for await (const id of logins.ids())
      if ((await logins.get(id))?.identity.subject === subject) await logins.delete(id);
  }

  return {
    async list() {
      const names: string[] = [];
      for await (const name of added.ids()) if (!configured.has(name)) names.push(name);
      return [
        ...[...configured.keys()].map((name): LocalUser => ({ name, from: 'configuration' })),
        ...names.sort().map((name): LocalUser => ({ name, from: 'store' })),
      ];
    },
    has: async (name) => configured.has(name) || (await added.get(name)) !== undefined,
    async add(name, hash, { replace = false } = {}) {
      if (password === undefined)
        throw refusal(409, 'no_passwords', 'nobody logs in by password here; add "password": {} to auth.login first');
      if (configured.has(name))
        throw refusal(409, 'configured', `${name} is a user of the configuration; change the hash there`);
      // As the login page reads it: a name nobody could type would never get in.
      if (name !== name.trim() || name === '' || name.length > 256 || /\p{Cc}/u.test(name))
        throw refusal(400, 'invalid_request', 'a user name has 1 to 256 characters, and no spaces around it');
      if (parsePasswordHash(hash) === undefined)
        throw refusal(400, 'invalid_request', 'the hash is no PHC string of scrypt');
      if (!(await added.set(name, { hash }, { only: replace ? 'present' : 'absent' }))) {
        if (replace) throw refusal(404, 'not_found', `there is no user ${name} in the store`);
        throw refusal(409, 'exists', `there is a user ${name} already; a new password is set with --replace`);
      }
      if (replace) await endLogins(`password:${name}`);
    },
    async remove(name) {
      if (configured.has(name))
        throw refusal(409, 'configured', `${name} is a user of the configuration; take the name out there`);
      if (!(await added.delete(name))) throw refusal(404, 'not_found', `there is no user ${name}`);
      // Whoever gets the same name later must find nothing of this one.
      const subject = `password:${name}`;
      await endLogins(subject);
      for await (const { clientId } of allConsents.ofSubject(subject)) await allConsents.revoke(subject, clientId);
      for await (const grant of grants.ofSubject(subject)) await grants.revoke(grant.id);
    },
  };
}
