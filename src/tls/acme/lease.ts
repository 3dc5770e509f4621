/** One gateway at a time works on a name; when it dies, its lease ends soon after it. */

import { randomUUID } from 'node:crypto';
import { type Collection, collection, type Store } from '../../store/store.ts';

/** Seconds. */
const lifetime = 30;

/** Undefined where another has it. */
export type TakeLease = (name: string) => Promise<AsyncDisposable | undefined>;

export function certificateLeases(store: Store): TakeLease {
  const leases: Collection<string> = collection(store, 'certificate-lease');
  const self = randomUUID();
  return async (name) => {
    if (!(await leases.set(name, self, { ttl: lifetime, only: 'absent' }))) return undefined;
    const isOurs = async () => (await leases.get(name)) === self;
    const renew = async () => {
      if (await isOurs()) await leases.set(name, self, { ttl: lifetime, only: 'present' });
    };
    // A store that is away for a moment is asked again before the lease has ended.
    const timer = setInterval(() => void renew().catch(() => {}), (lifetime / 3) * 1000).unref();
    return {
      async [Symbol.asyncDispose]() {
        clearInterval(timer);
        if (await isOurs()) await leases.delete(name);
      },
    };
  };
}
