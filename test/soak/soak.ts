/**
 * A soak: rounds of clients that behave badly at servers that behave badly, all through the program itself. After each round
 * everybody has gone, and the gateway must hold no more than after the first.
 */

import assert from 'node:assert/strict';
import { eventually } from '../support/bridged.ts';
import { type Seeded, seeded } from '../support/seeded.ts';
import { fatal, type LeftOpen, rare, type Scene, usual } from './mix.ts';
import { type Held, type SoakedGateway, type SoakedServer, soakedGateway } from './soaked-gateway.ts';
import { type Findings, legacyVisitor, modernVisitor } from './visitor.ts';

export interface SoakOptions {
  readonly rounds: number;
  /** Of each round. */
  readonly seconds: number;
  readonly seed: number;
  /** The program to soak instead of the sources. */
  readonly executable?: string;
  /** After each round. */
  readonly report?: (round: Round) => void;
}

export interface Round extends Held {
  readonly number: number;
  readonly answers: number;
  readonly verified: number;
  /** Processes that have been seen. */
  readonly processes: number;
}

const visitors = 8;
/** What may be in use after the last round beyond what was after the first: compiled code and caches that have a bound. */
const slack = 12_000_000;
/**
 * What may be resident beyond that of the start: code that has run, and the gaps that buffers left in the heap of the C
 * library. V8 looks for buffers to free when 64 MB of them are in use, and glibc gives back what lies above all that stays.
 */
const gaps = 128_000_000;
/** By how much more may be resident after a round of the second half than after any of the first: buffers of another order. */
const drift = 24_000_000;
/** Milliseconds until everything that was left behind has run into its limit. */
const patience = 60_000;

/** Rejects with the first thing that should not have been. */
export async function soak({ rounds, seconds, seed, executable, report }: SoakOptions): Promise<Findings> {
  const findings: Findings = { statuses: new Map(), verified: 0, faults: [] };
  await using gateway = await soakedGateway(executable);
  const idle = gateway.descendants().length;
  const before = await gateway.probe();
  const seen = new Set<number>();
  let heap = Number.POSITIVE_INFINITY;
  const resident: number[] = [];
  for (let number = 1; number <= rounds; number++) {
    const left: LeftOpen = { unread: [], quiet: [], sockets: [] };
    await round({ gateway, random: seeded(seed + number), seconds, findings, left, seen });
    for (const { body } of left.quiet) await body?.cancel();
    await everybodyGone(gateway, idle);
    for (const socket of left.sockets) socket.destroy();
    assert.deepEqual(findings.faults.slice(0, 20), [], `seed ${seed}, round ${number}`);
    const held = await nothingMore(gateway, before);
    assert.ok(held.heap <= heap + slack, `${held.heap} bytes in use after ${heap}`);
    assert.ok(held.rss <= before.rss + gaps, `${held.rss} bytes resident after ${before.rss}`);
    if (number === 1) ({ heap } = held);
    resident.push(held.rss);
    const answers = [...findings.statuses.values()].reduce((sum, count) => sum + count, 0);
    report?.({ ...held, number, answers, verified: findings.verified, processes: seen.size });
  }
  const [early, late] = [resident.slice(0, Math.ceil(rounds / 2)), resident.slice(Math.ceil(rounds / 2))];
  assert.ok(Math.max(...late) <= Math.max(...early) + drift, `resident after each round: ${resident.join(', ')}`);
  return findings;
}

interface RoundParts {
  readonly gateway: SoakedGateway;
  readonly random: Seeded;
  readonly seconds: number;
  readonly findings: Findings;
  readonly left: LeftOpen;
  readonly seen: Set<number>;
}

async function round({ gateway, random, seconds, findings, left, seen }: RoundParts): Promise<void> {
  const until = Date.now() + seconds * 1000;
  const users = [...gateway.tokens.keys()];
  const visit = async (own: Seeded, server: SoakedServer, user: string, act: (scene: Scene) => Promise<unknown>) => {
    const token = gateway.tokens.get(user) ?? '';
    const place = { url: `http://127.0.0.1:${gateway.port}/${server.name}/mcp`, user, token };
    const era = own.pick(['legacy', 'modern'] as const);
    const visitor = era === 'legacy' ? await legacyVisitor(place, findings) : modernVisitor(place, findings);
    if (visitor) await act({ gateway, server, visitor, era, findings, random: own, left });
    if (own.below(3) === 0) await visitor?.leave();
  };
  /** Whoever hangs up hears nothing of what becomes of it: that is seen when all have gone. */
  const forgiving = (visited: Promise<void>) => visited.catch((error: unknown) => expectBroken(error, findings));

  const regular = async (own: Seeded, user: string) => {
    while (Date.now() < until) {
      const several = async (scene: Scene) => {
        for (let left = own.below(8); left >= 0 && Date.now() < until; left--) await chosen(own)(scene);
      };
      await forgiving(visit(own, own.pick(gateway.servers), user, several));
      for (const pid of gateway.descendants()) seen.add(pid);
    }
  };
  const deeds = gateway.servers.flatMap((server) => {
    const deadly = server.shared ? [random.pick(fatal)] : fatal;
    return [...rare, ...deadly].map((act) => ({ server, act, at: random.below(1e9) }));
  });
  const queue = deeds.toSorted((a, b) => a.at - b.at);
  const vandal = async (own: Seeded) => {
    for (let deed = queue.shift(); deed && Date.now() < until; deed = queue.shift())
      await forgiving(visit(own, deed.server, own.pick(users), deed.act));
  };
  const fresh = () => seeded(random.below(2 ** 31));
  const regulars = Array.from({ length: visitors }, (_, i) => regular(fresh(), users[i % users.length] ?? ''));
  await Promise.all([...regulars, vandal(fresh()), vandal(fresh())]);
}

function expectBroken(error: unknown, { faults }: Findings): void {
  const broken = error instanceof DOMException || (error instanceof TypeError && error.message === 'fetch failed');
  if (!broken) faults.push(String(error instanceof Error ? error.stack : error));
}

const total = usual.reduce((sum, [weight]) => sum + weight, 0);

function chosen(random: Seeded) {
  let at = random.below(total);
  for (const [weight, action] of usual) {
    at -= weight;
    if (at < 0) return action;
  }
  throw new Error('the weights do not add up');
}

/** Those who left streams and requests open have not said so: it is the gateway that ends them. */
async function everybodyGone(gateway: SoakedGateway, idle: number): Promise<void> {
  let last = '';
  const gone = async () => {
    const { servers, entrypoints, sessions } = await gateway.status();
    const connections = entrypoints.reduce((sum, entrypoint) => sum + entrypoint.connections, 0);
    const children = servers.reduce((sum, server) => sum + server.children.length, 0);
    const processes = gateway.descendants().length;
    last = JSON.stringify({ connections, sessions, children, processes });
    return connections === 0 && sessions === 0 && children === idle && processes === idle;
  };
  await eventually('everybody is gone', gone, patience).catch((error: Error) => {
    throw new Error(`${error.message}: ${last}`);
  });
}

async function nothingMore(gateway: SoakedGateway, before: Held): Promise<Held> {
  let held = before;
  const settled = async () => {
    held = await gateway.probe();
    const kinds = Object.entries(held.resources);
    return (
      held.descriptors <= before.descriptors && kinds.every(([kind, count]) => count <= (before.resources[kind] ?? 0))
    );
  };
  await eventually('every handle is gone', settled, patience).catch((error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(held)} after ${JSON.stringify(before)}`);
  });
  assert.deepEqual(
    gateway.errors().filter((line) => !line.includes('server stopped')),
    [],
  );
  return held;
}
