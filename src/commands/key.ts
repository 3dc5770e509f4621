/** `key`: what access tokens are signed with. */

import type { KeyInfo } from '../oauth/keys.ts';
import { askGateway, type GatewayOptions } from './admin-client.ts';
import { readableDate } from './readable.ts';
import { printTable } from './table.ts';

type Options = GatewayOptions & { readonly json?: true };

export async function keyList(options: Options): Promise<void> {
  const { keys } = (await askGateway(options, 'GET', '/keys')) as { keys: KeyInfo[] };
  if (options.json) {
    process.stdout.write(`${JSON.stringify(keys, null, 2)}\n`);
    return;
  }
  printTable(
    ['KEY', 'ALGORITHM', 'MADE', 'STATE'],
    keys.map(({ kid, alg, createdAt, retiredAt, neededUntil, signs }) => [
      kid,
      alg,
      readableDate(createdAt),
      signs
        ? `signs${retiredAt === undefined ? '' : ` until ${readableDate(retiredAt)}`}`
        : retiredAt === undefined
          ? 'published, signs next'
          : `published until ${readableDate(neededUntil)}`,
    ]),
  );
}

export async function keyRotate(options: Options & { compromised?: true }): Promise<void> {
  const compromised = options.compromised ?? false;
  const made = (await askGateway(options, 'POST', '/keys/rotate', { compromised })) as KeyInfo;
  if (options.json) process.stdout.write(`${JSON.stringify(made, null, 2)}\n`);
  else
    process.stdout.write(
      compromised
        ? `${made.kid} signs from now on. Every access token has ended; clients get new ones by themselves.\n`
        : `${made.kid} is published and signs in a minute. The former key stays published until its last token has expired.\n`,
    );
}
