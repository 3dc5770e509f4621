/** `status --timeline`, and its part in `client show`: how far clients came on their way to a call. */

import { steps } from '../router/handler.ts';
import type { Trail } from '../timeline.ts';
import { askGateway, type GatewayOptions } from './admin-client.ts';
import { readableTime } from './readable.ts';
import { printSentences, printTable } from './table.ts';

export async function timelineOf(options: GatewayOptions): Promise<readonly Trail[]> {
  const { timeline } = (await askGateway(options, 'GET', '/timeline')) as { timeline: Trail[] };
  return timeline;
}

export async function printTimeline(options: GatewayOptions & { json?: true }): Promise<void> {
  const trails = await timelineOf(options);
  if (options.json) process.stdout.write(`${JSON.stringify(trails, null, 2)}\n`);
  else if (trails.length === 0) process.stdout.write('No client has come since this gateway started.\n');
  else
    printSentences(
      ['LAST SEEN', 'CLIENT', 'FROM', 'PROGRAM', 'STATE', 'HOW FAR IT CAME'],
      trails.map((trail) => [
        ago(lastSeen(trail)),
        trail.clientId ?? '-',
        trail.clientAddress,
        trail.userAgent.slice(0, 30).replace(/[^\x20-\x7e]/g, '?') || '-',
        trail.state,
        trail.verdict,
      ]),
    );
}

/** Every step of one client, and the verdict. */
export function printTrail(trail: Trail): void {
  process.stdout.write(`\n${trail.state}: ${trail.verdict}\n\n`);
  printTable(
    ['STEP', 'TIMES', 'FIRST', 'LAST', 'LAST REFUSED'],
    steps.map((step) => {
      const { times = 0, first, last, refused } = trail.steps[step] ?? {};
      const told = refused === undefined ? '' : `${ago(refused.at)}, ${refused.reason}`;
      return [step, String(times), first === undefined ? '-' : ago(first), last === undefined ? '-' : ago(last), told];
    }),
  );
}

function lastSeen({ steps: taken }: Trail): string {
  const all = Object.values(taken).flatMap(({ last = '', refused }) => [last, refused?.at ?? '']);
  return all.sort().at(-1) ?? '';
}

const ago = (at: string) => `${readableTime((Date.now() - Date.parse(at)) / 1000)} ago`;
