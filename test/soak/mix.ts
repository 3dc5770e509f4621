/** What the visitors of the soak do, each action with its weight; whatever they leave open is nobody's from then on. */

import { connect, type Socket } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import { textOf } from '../support/mcp-client.ts';
import type { Seeded } from '../support/seeded.ts';
import type { SoakedGateway, SoakedServer } from './soaked-gateway.ts';
import { type Findings, tag, type Visitor } from './visitor.ts';

export interface Scene {
  readonly gateway: SoakedGateway;
  readonly server: SoakedServer;
  readonly visitor: Visitor;
  readonly era: 'legacy' | 'modern';
  readonly findings: Findings;
  readonly random: Seeded;
  readonly left: LeftOpen;
}

/** Connections whose clients have stopped without closing them. */
export interface LeftOpen {
  /** Answers that nobody takes; held, because a response that nobody refers to is closed when it is collected. */
  readonly unread: Response[];
  /** Streams that have nothing to say: whether anybody is there the gateway cannot know. */
  readonly quiet: Response[];
  /** Half a request. */
  readonly sockets: Socket[];
}

type Action = (scene: Scene) => Promise<unknown>;

const tool = (name: string, args: object = {}, more: object = {}) => ({ name, arguments: args, ...more });
const briefly = (random: Seeded) => AbortSignal.timeout(1 + random.below(150));
/** So many connections are left open at once, that those who still come find a place. */
const mostLeft = 12;

/** An answer that is no error has to be the right one; a server that has just been killed need not answer. */
async function verify({ visitor, findings }: Scene, name: string, args: object, wanted: string): Promise<void> {
  const answer = await visitor.ask('tools/call', tool(name, args));
  if (!answer?.result) return;
  const text = textOf(answer.result);
  if (text === wanted) findings.verified++;
  else
    findings.faults.push(`${visitor.user}: ${name} answered ${text.slice(0, 200)} instead of ${wanted.slice(0, 200)}`);
}

const echo: Action = (scene) => {
  const text = `${tag(scene.visitor.user)} ${scene.random.below(1e9)}`;
  return verify(scene, 'echo', { text }, text);
};

const burst: Action = (scene) => Promise.all(Array.from({ length: 12 }, () => echo(scene)));

const progress: Action = async ({ visitor, random, findings, server, era }) => {
  const progressToken = `${tag(visitor.user)}${random.below(1e6)}`;
  const count = 1 + random.below(20);
  const response = await visitor.send('tools/call', tool('progress', { count }, { _meta: { progressToken } }));
  const messages = await visitor.read(response);
  const { result } = messages.at(-1) ?? {};
  // A question of another call of the same user may be put to this one.
  if (!result || result.resultType === 'input_required') return;
  const steps = messages.filter(({ method }) => method === 'notifications/progress');
  if (steps.length === count && steps.every(({ params }) => params?.progressToken === progressToken))
    findings.verified++;
  else
    findings.faults.push(
      `${visitor.user}: ${steps.length} of ${count} steps of ${server.name}, ${era}: ${JSON.stringify(messages.slice(0, 3))}`,
    );
};

const question: Action = async (scene) => {
  const { visitor, server, findings } = scene;
  // To the server that it stands for everybody is one caller, any of whom may be asked.
  if (server.name === 'remote') return;
  const ask =
    server.eras === 'legacy'
      ? tool('ask', { method: 'roots/list' })
      : tool('inquire', { rounds: [{ r: { method: 'roots/list' } }] });
  const answer = await visitor.ask('tools/call', ask);
  const text = textOf(answer?.result);
  if (text.includes(tag(visitor.user))) findings.verified++;
};

const giveUp: Action = async ({ visitor, random }) => {
  await visitor.read(await visitor.send('tools/call', tool('never'), briefly(random)));
};

/** A question that nobody ever answers. */
const turnAway: Action = async ({ visitor, random }) => {
  await visitor.read(await visitor.send('tools/call', tool('ask', { method: 'roots/list' }), briefly(random)));
};

/** Also what the server knows the calls of others by. */
const cancel: Action = async ({ visitor, random }) => {
  const pending = visitor.send('tools/call', tool('never'), AbortSignal.timeout(500)).then(visitor.read);
  pending.catch(() => {});
  await after(random.below(50));
  for (let id = 1; id < 10; id++) await visitor.notify('notifications/cancelled', { requestId: id });
  await pending;
};

const listen: Action = async ({ visitor, random }) => {
  await visitor.read(await visitor.listen(AbortSignal.timeout(100 + random.below(400))));
};

const subscribe: Action = async ({ visitor, era }) => {
  const uri = `a://${tag(visitor.user)}`;
  if (era === 'legacy') await visitor.ask('resources/subscribe', { uri });
};

const simply =
  (name: string, args: object = {}): Action =>
  ({ visitor }) =>
    visitor.ask('tools/call', tool(name, args));

/** Reads nothing of a long answer, and does not say that it is gone. */
const halfOpen: Action = async ({ visitor, left, server }) => {
  if (left.unread.length >= mostLeft) return;
  const flood =
    server.eras === 'legacy'
      ? tool('flood', { count: 60, bytes: 200_000 })
      : tool('progress', { count: 50_000 }, { _meta: { progressToken: 1 } });
  left.unread.push(await visitor.send('tools/call', flood));
};

const halfOpenStream: Action = async ({ visitor, left }) => {
  if (left.quiet.length < mostLeft) left.quiet.push(await visitor.listen());
};

const halfRequest: Action = async ({ gateway, server, random, left }) => {
  if (left.sockets.length >= mostLeft) return;
  const socket = connect(gateway.port, '127.0.0.1').on('error', () => {});
  left.sockets.push(socket);
  const head = `POST /${server.name}/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n`;
  const token = gateway.tokens.values().next().value;
  const body = `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"jsonrpc"`;
  socket.write(random.below(2) === 0 ? head : head + body);
};

export const usual: readonly (readonly [weight: number, Action])[] = [
  [30, echo],
  [5, burst],
  [6, progress],
  [5, question],
  [5, giveUp],
  [3, turnAway],
  [2, cancel],
  [4, listen],
  [2, subscribe],
  [2, simply('twice')],
  [2, simply('unknown')],
  [2, simply('stderr', { count: 2000 })],
  [1, simply('noise', { count: 200 })],
  [1, simply('fork', { deaf: true })],
  [1, halfOpen],
  [1, halfOpenStream],
  [1, halfRequest],
];

const big: Action = async ({ visitor, findings }) => {
  const answer = await visitor.ask('tools/call', tool('big', { bytes: 20_000_000 }));
  if (!answer?.result) return;
  if (textOf(answer.result).length === 20_000_000) findings.verified++;
  else findings.faults.push('20 MB did not arrive whole');
};
const split: Action = (scene) =>
  scene.server.eras === 'legacy' ? verify(scene, 'split', {}, 'Grüße – 世界 – 🚀') : Promise.resolve();

/** At each server once in a round. */
export const rare: readonly Action[] = [big, split, simply('fork')];
/** The same, but where all share a process one of them: a server that fell too often would be left alone for minutes. */
export const fatal: readonly Action[] = [
  simply('crash'),
  simply('freeze'),
  simply('noise', { count: 5000 }),
  simply('exit'),
  simply('close'),
];
