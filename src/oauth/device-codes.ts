/** Device and user codes, RFC 8628: what a device waits for while a person decides on another one. */

import { randomInt } from 'node:crypto';
import { collection, type Store } from '../store/store.ts';
import { OAuthError } from './errors.ts';
import type { Identity } from './grants.ts';
import { hashed, newSecret } from './secrets.ts';

/** What a device asked for. */
export interface DeviceRequest {
  readonly clientId: string;
  /** Resource identifiers. */
  readonly resources: readonly string[];
  readonly scope: readonly string[];
}

interface DeviceRecord extends DeviceRequest {
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  readonly decision?: 'denied' | { readonly allowedBy: Identity };
}

export interface DeviceCodes {
  begin(request: DeviceRequest): Promise<{ deviceCode: string; userCode: string }>;
  /** What waits under a code as a person typed it, or undefined. */
  find(userCode: string): Promise<DeviceRequest | undefined>;
  /** True for exactly one decision. */
  decide(userCode: string, decision: NonNullable<DeviceRecord['decision']>): Promise<boolean>;
  /** RFC 8628 §3.4: who allowed it, for exactly one poll; refuses with the errors of §3.5 until then. */
  redeem(deviceCode: string, clientId: string): Promise<DeviceRequest & { readonly identity: Identity }>;
}

/** Seconds. */
export const deviceCodeLifetime = 600;
/** RFC 8628 §3.2, §3.5: seconds between polls, and how much slow_down adds. */
export const pollInterval = 5;
/** Seconds for which an old code is still told from one that never was. */
const memory = 2 * deviceCodeLifetime;

/** RFC 8628 §6.1: 20 consonants, so that no word comes out and nothing looks like something else; 34 bits. */
const letters = 'BCDFGHJKLMNPQRSTVWXZ';

/** `device:<SHA-256 of the device code>`, found by `device-user-code:<SHA-256 of the user code>`. */
export function deviceCodes(store: Store): DeviceCodes {
  const records = collection<DeviceRecord>(store, 'device');
  const byUserCode = collection<string>(store, 'device-user-code');
  const waiting = async (userCode: string): Promise<{ id: string; record: DeviceRecord } | undefined> => {
    const id = await byUserCode.get(hashed(plain(userCode)));
    const record = id === undefined ? undefined : await records.get(id);
    return id !== undefined && record?.decision === undefined && record !== undefined ? { id, record } : undefined;
  };
  return {
    async begin(request) {
      const deviceCode = newSecret();
      const id = hashed(deviceCode);
      await records.set(id, { ...request, expiresAt: seconds() + deviceCodeLifetime }, { ttl: memory });
      for (;;) {
        const userCode = Array.from({ length: 8 }, () => letters[randomInt(letters.length)]).join('');
        const fresh = await byUserCode.set(hashed(userCode), id, { ttl: deviceCodeLifetime, only: 'absent' });
        if (fresh) return { deviceCode, userCode: `${userCode.slice(0, 4)}-${userCode.slice(4)}` };
      }
    },
    find: async (userCode) => (await waiting(userCode))?.record,
    async decide(userCode, decision) {
      const found = await waiting(userCode);
      if (found === undefined || !(await byUserCode.delete(hashed(plain(userCode))))) return false;
      return await records.set(found.id, { ...found.record, decision }, { ttl: memory, only: 'present' });
    },
    async redeem(deviceCode, clientId) {
      const id = hashed(deviceCode);
      const record = await records.get(id);
      // RFC 8628 §5.2: as long as a device code is, it is good for its own client alone.
      if (record?.clientId !== clientId) throw new OAuthError('invalid_grant', 'The device code is unknown');
      if (record.decision === 'denied') {
        await records.delete(id);
        throw new OAuthError('access_denied', 'The person did not allow it', { status: 400 });
      }
      if (record.expiresAt <= seconds())
        throw new OAuthError('expired_token', 'The device code has expired; begin again');
      if (record.decision === undefined) throw await wait(id);
      if (!(await records.delete(id))) throw new OAuthError('invalid_grant', 'The device code was used before');
      return { ...record, identity: record.decision.allowedBy };
    },
  };

  /** RFC 8628 §3.5: each poll that comes too soon lengthens the interval of all that follow. */
  async function wait(id: string): Promise<OAuthError> {
    const hasty = Number((await store.get(`device-hasty:${id}`)) ?? 0);
    const polls = await store.increment(`device-polls:${id}:${hasty}`, pollInterval * (1 + hasty));
    if (polls === 1) return new OAuthError('authorization_pending', 'The person has not decided yet');
    await store.increment(`device-hasty:${id}`, deviceCodeLifetime);
    // The longer interval begins with this poll.
    await store.increment(`device-polls:${id}:${hasty + 1}`, pollInterval * (2 + hasty));
    return new OAuthError('slow_down', `Wait ${pollInterval} seconds longer between two polls`);
  }
}

/** RFC 8628 §6.1: whatever its case, with or without hyphen. */
function plain(userCode: string): string {
  return userCode.toUpperCase().replace(/[^A-Z]/g, '');
}

const seconds = () => Math.floor(Date.now() / 1000);
