/** What a person is in the middle of: an authorization request, or a page of ours that needs a login. Kept on the server, ten minutes. */

import { collection, type Store } from '../store/store.ts';
import type { AuthorizationRequest } from './authorization-request.ts';
import type { Browser } from './browser.ts';
import { newSecret } from './secrets.ts';

export interface Pending {
  /** The browser's id: nobody else may go on with it. */
  readonly browser: string;
  /** Once the person is known: answer this request, or go to this page. */
  readonly purpose: { readonly request: AuthorizationRequest } | { readonly path: string };
  /** Milliseconds since the epoch; a login from before does not count (OpenID Connect Core §3.1.2.1: prompt, max_age). */
  readonly loginSince: number;
}

export interface Pendings {
  begin(pending: Pending): Promise<string>;
  /** Undefined where it is over, or was begun in another browser. */
  find(id: string, browser: Browser): Promise<Pending | undefined>;
  /** Another ten minutes, for somebody who leaves for an identity provider. */
  renew(id: string, pending: Pending): Promise<void>;
  /** True for exactly one caller, who may answer it. */
  finish(id: string): Promise<boolean>;
}

/** Seconds. */
const lifetime = 600;

/** `pending:<id>` */
export function pendings(store: Store): Pendings {
  const kept = collection<Pending>(store, 'pending');
  return {
    async begin(pending) {
      const id = newSecret();
      await kept.set(id, pending, { ttl: lifetime });
      return id;
    },
    async find(id, browser) {
      const pending = await kept.get(id);
      return pending?.browser === browser.id ? pending : undefined;
    },
    async renew(id, pending) {
      await kept.set(id, pending, { ttl: lifetime, only: 'present' });
    },
    finish: (id) => kept.delete(id),
  };
}
