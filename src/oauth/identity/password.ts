/** Login by user name and password. */

import { isIPv6 } from 'node:net';
import { collection, type Store } from '../../store/store.ts';
import { decoyHash, longestPassword, verifyPassword } from '../password.ts';
import { LoginFailed, type PasswordProvider } from './identity-provider.ts';

export interface PasswordOptions {
  /** From the configuration; those added by `user add` are in the store. A name in both is the configuration's. */
  readonly users: Readonly<Record<string, { readonly hash: string }>>;
}

/** What `user add` writes, under the user's name. */
export interface PasswordUser {
  /** A PHC string. */
  readonly hash: string;
}

/** `user:<name>`: local users that are not in the configuration. */
export const passwordUsers = (store: Store) => collection<PasswordUser>(store, 'user');

export function passwordProvider({ users }: PasswordOptions, store: Store): PasswordProvider {
  const configured = new Map(Object.entries(users).map(([name, { hash }]) => [name, hash]));
  const added = passwordUsers(store);
  const decoy = decoyHash([...configured.values()]);
  const attempts = attemptLimit(store);
  const hashOf = async (name: string) => configured.get(name) ?? (await added.get(name))?.hash;

  return {
    kind: 'password',
    name: 'password',
    async identify({ username, password, clientAddress }) {
      const name = username.trim();
      const attempt = await attempts.begin(clientAddress, name);
      const hash = Buffer.byteLength(password) <= longestPassword ? await hashOf(name) : undefined;
      // An unknown name costs what a known one does, so that the time tells nothing.
      const right = await verifyPassword(password.slice(0, longestPassword), hash ?? decoy);
      if (hash === undefined || !right) {
        await attempt.failed();
        throw new LoginFailed('failed', 'That user name and password do not match.');
      }
      await attempt.succeeded();
      return { subject: `password:${name}`, username: name };
    },
    async stillAllowed({ username }) {
      return (await hashOf(username)) !== undefined;
    },
  };
}

/** Failures remembered for this long, in seconds. */
const memory = 15 * 60;
/** Tries of one name from one address before waiting begins. */
const freeTries = 5;
const longestWait = 5 * 60;
/** Failures of one address over all names: somebody tries one password on many people. */
const addressFailures = 100;

/**
 * Guessing is slowed per address and name together, never per name alone: a stranger's guesses never keep the owner out.
 * What a thousand addresses can guess together is bounded by what hashes cost (RFC 9700 leaves this to the server).
 */
function attemptLimit(store: Store) {
  return {
    /** Refuses while waiting is due. Counts before the hash is computed, so that parallel guesses do not slip past. */
    async begin(clientAddress: string, name: string) {
      const network = networkOf(clientAddress);
      const pair = `${network} ${encodeURIComponent(name.slice(0, 256))}`;
      const spraying = Number(await store.get(`login-failures:${network}`)) >= addressFailures;
      const tries = spraying ? 0 : await store.increment(`login-attempts:${pair}`, memory);
      if (tries > freeTries) {
        const wait = Math.min(2 ** (tries - freeTries), longestWait);
        const turn = await store.set(`login-wait:${pair}`, true, { ttl: wait, only: 'absent' });
        if (!turn) throw tooMany(longestWait);
      }
      if (spraying) throw tooMany(memory);
      return {
        async failed() {
          await store.increment(`login-failures:${network}`, memory);
        },
        async succeeded() {
          await store.delete(`login-attempts:${pair}`);
          await store.delete(`login-wait:${pair}`);
        },
      };
    },
  };
}

const tooMany = (retryAfter: number) =>
  new LoginFailed('failed', 'Too many tries from your network. Wait a few minutes, then try again.', { retryAfter });

/** One person easily has a whole IPv6 /64. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!isIPv6(plain)) return plain;
  const [head = '', tail = ''] = (plain.split('%')[0] ?? '').split('::');
  const left = head.split(':').filter(Boolean);
  const right = tail.split(':').filter(Boolean);
  const groups = plain.includes('::') ? [...left, ...Array(8 - left.length - right.length).fill('0'), ...right] : left;
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
