/** How far each client came on its way from discovery to a call, and which step never came. Of this gateway alone, in memory. */

import type { AccessRecord } from './router/access-log.ts';
import { type Step, steps } from './router/handler.ts';

export interface Timeline {
  /** Told of every request. */
  observe(record: AccessRecord): void;
  /** The latest first. */
  trails(): readonly Trail[];
}

/** One client; before it has a client_id, whoever comes from one address with one user agent. */
export interface Trail {
  readonly clientId?: string;
  readonly clientAddress: string;
  readonly userAgent: string;
  /** Of the last call. */
  readonly route?: string;
  readonly steps: Readonly<Partial<Record<Step, Taken>>>;
  /** `stuck` once nothing has come for a minute. */
  readonly state: 'works' | 'under way' | 'stuck';
  /** In a sentence: that it works, or what never came and the likely cause. */
  readonly verdict: string;
}

/** Times in ISO 8601. */
export interface Taken {
  readonly times: number;
  readonly first?: string;
  readonly last?: string;
  /** The last time that it did not work. */
  readonly refused?: { readonly at: string; readonly reason: string; readonly times: number };
}

interface Tally {
  times: number;
  first: number;
  last: number;
  refusals: number;
  refusedAt: number;
  reason: string;
}

interface Kept {
  clientId: string | undefined;
  clientAddress: string;
  userAgent: string;
  route: string | undefined;
  lastSeen: number;
  movedAt: number;
  readonly tallies: Map<Step, Tally>;
}

const mostTrails = 500;
/** Milliseconds in which one that is seen again does not move to the end of the line. */
const settled = 1000;
/** Milliseconds. */
const patience = 60_000;
const longestReason = 300;

/** Requests that the client itself makes; to the others it sends a person's browser. */
const ownSteps: ReadonlySet<Step> = new Set(['challenge', 'discovery', 'registration', 'token', 'call']);

export function timeline(now: () => number = Date.now): Timeline {
  const byClient = new Map<string, Kept>();
  const byOrigin = new Map<string, Kept>();

  const begun = ({ client, userAgent = '' }: AccessRecord): Kept => ({
    clientId: undefined,
    clientAddress: client,
    userAgent,
    route: undefined,
    lastSeen: 0,
    movedAt: 0,
    tallies: new Map(),
  });

  /** Whoever has come all the way may begin anew, or be several behind one address. */
  const anonymous = (record: AccessRecord): Kept => {
    const known = byOrigin.get(originOf(record));
    const open = known !== undefined && (known.clientId === undefined || !known.tallies.get('call')?.times);
    return open ? known : begun(record);
  };

  const trailOf = (record: AccessRecord, step: Step): Kept => {
    const { clientId } = record;
    if (clientId === undefined) return anonymous(record);
    const own = ownSteps.has(step);
    const before = own ? byOrigin.get(originOf(record)) : undefined;
    const nameless = before?.clientId === undefined ? before : undefined;
    const known = byClient.get(clientId);
    if (known === undefined) return Object.assign(nameless ?? begun(record), { clientId });
    // What it did before it told who it is.
    for (const [each, tally] of nameless?.tallies ?? []) if (!known.tallies.has(each)) known.tallies.set(each, tally);
    if (own) Object.assign(known, { clientAddress: record.client, userAgent: record.userAgent ?? '' });
    return known;
  };

  return {
    observe(record) {
      const { step, clientId, reason } = record;
      if (step === undefined || isPolling(reason)) return;
      const at = now();
      const trail = trailOf(record, step);
      trail.lastSeen = at;
      if (step === 'call') trail.route = record.route;
      const tally = trail.tallies.get(step) ?? { times: 0, first: at, last: 0, refusals: 0, refusedAt: 0, reason: '' };
      trail.tallies.set(step, tally);
      if (step === 'challenge' || (reason === undefined && record.status < 400)) {
        if (tally.times++ === 0) tally.first = at;
        tally.last = at;
      } else {
        tally.refusals++;
        tally.refusedAt = at;
        tally.reason = (reason ?? `answered ${record.status}`).slice(0, longestReason);
      }
      const moves = at - trail.movedAt >= settled;
      if (moves) trail.movedAt = at;
      if (clientId !== undefined) keep(byClient, clientId, trail, moves);
      if (clientId === undefined || ownSteps.has(step)) keep(byOrigin, originOf(record), trail, moves);
    },
    trails() {
      const all = [...new Set([...byClient.values(), ...byOrigin.values()])];
      return all.toSorted((a, b) => b.lastSeen - a.lastSeen).map((kept) => told(kept, now()));
    },
  };
}

/** RFC 8628 §3.5: a device that asks whether its person has decided. */
function isPolling(reason: string | undefined): boolean {
  return reason !== undefined && /^(?:authorization_pending|slow_down):/.test(reason);
}

function originOf({ client, userAgent = '' }: AccessRecord): string {
  return `${client} ${userAgent}`;
}

/** The longest unseen makes room. */
function keep(kept: Map<string, Kept>, key: string, trail: Kept, moves: boolean): void {
  if (!moves && kept.get(key) === trail) return;
  kept.delete(key);
  kept.set(key, trail);
  const oldest = kept.size > mostTrails ? kept.keys().next().value : undefined;
  if (oldest !== undefined) kept.delete(oldest);
}

function told(kept: Kept, now: number): Trail {
  const { clientId, clientAddress, userAgent, route } = kept;
  const taken = steps.flatMap((step) => {
    const tally = kept.tallies.get(step);
    return tally === undefined ? [] : [[step, takenOf(tally)] as const];
  });
  return {
    ...(clientId !== undefined && { clientId }),
    clientAddress,
    userAgent,
    ...(route !== undefined && { route }),
    steps: Object.fromEntries(taken),
    ...judged(kept, now),
  };
}

function takenOf({ times, first, last, refusals, refusedAt, reason }: Tally): Taken {
  return {
    times,
    ...(times > 0 && { first: iso(first), last: iso(last) }),
    ...(refusals > 0 && { refused: { at: iso(refusedAt), reason, times: refusals } }),
  };
}

const iso = (at: number) => new Date(at).toISOString();

/** What is said of a client that came as far as this step. */
const neverCame: Readonly<Record<Exclude<Step, 'call'>, string>> = {
  challenge:
    'was told to log in and never asked for the metadata: it speaks no OAuth, or a proxy in front removes WWW-Authenticate',
  discovery:
    'read the metadata and never registered nor came with a client_id: it may want one that is made with "client add"',
  registration:
    'registered and never sent a person to /authorize: nobody went on there, or it has no browser that it could open',
  authorization: 'sent a person to /authorize and nobody let it in: the page was closed, or the login was not finished',
  consent:
    'never redeemed its code: the browser did not get back to its redirect URI; does it still run, and can that address be reached?',
  token:
    'token issued, but no call with it: it gave up after the login, or calls another URL than the one it was given here',
};

const refusedAt: Readonly<Record<Step, string>> = {
  challenge: 'was told to log in',
  discovery: 'found no metadata where it looked',
  registration: 'its registration was refused',
  authorization: 'its authorization request was refused',
  consent: 'was not let in',
  token: 'its token request was refused',
  call: 'its last call was refused',
};

function judged({ tallies, lastSeen }: Kept, now: number): Pick<Trail, 'state' | 'verdict'> {
  const reached = steps.findLast((step) => (tallies.get(step)?.times ?? 0) > 0);
  const since = steps.slice(reached === undefined ? 0 : steps.indexOf(reached));
  const trouble = since.findLast((step) => {
    const { refusedAt = 0 } = tallies.get(step) ?? {};
    return refusedAt > 0 && refusedAt >= (reached === undefined ? 0 : (tallies.get(reached)?.last ?? 0));
  });
  const state = now - lastSeen < patience ? 'under way' : 'stuck';
  if (trouble !== undefined) return { state, verdict: `${refusedAt[trouble]}: ${tallies.get(trouble)?.reason}` };
  const call = tallies.get('call');
  if (reached === 'call' && call !== undefined)
    return { state: 'works', verdict: call.times === 1 ? 'called once' : `called ${call.times} times` };
  if (reached === undefined) return { state, verdict: 'has not come far' };
  if (reached === 'token' && (tallies.get('challenge')?.last ?? 0) > (tallies.get('token')?.last ?? 0)) {
    const verdict =
      'token issued, but its calls come without it: a proxy in front removes the Authorization header, or it lost the token';
    return { state, verdict };
  }
  const next = steps[steps.indexOf(reached) + 1];
  return state === 'under way'
    ? { state, verdict: `came as far as ${reached}; ${next} has not come yet` }
    : { state, verdict: neverCame[reached as Exclude<Step, 'call'>] };
}
