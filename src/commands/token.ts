/** `token`: personal tokens for scripts, which have no browser to log in with. */

import type { TokenInfo } from '../oauth/personal-tokens.ts';
import { duration } from '../units.ts';
import { askGateway, type GatewayOptions } from './admin-client.ts';
import { readableDate } from './readable.ts';
import { printTable } from './table.ts';

type Options = GatewayOptions & { readonly json?: true };

export interface IssueOptions extends Options {
  readonly user: string;
  readonly server: readonly string[];
  /** As in the configuration, `30d`. */
  readonly ttl: string;
  readonly scope?: readonly string[];
  readonly name?: string;
}

/** The token alone goes to standard output, so that a script can keep it; what to know of it goes beside. */
export async function tokenIssue(options: IssueOptions): Promise<void> {
  const asked = {
    user: options.user,
    servers: options.server,
    scope: (options.scope ?? []).flatMap((words) => words.split(/[\s,]+/)).filter(Boolean),
    name: options.name ?? `for ${options.server.join(', ')}`.slice(0, 100),
    lifetime: duration.parse(options.ttl),
  };
  const issued = (await askGateway(options, 'POST', '/tokens', asked)) as TokenInfo & { token: string };
  if (options.json) {
    process.stdout.write(`${JSON.stringify(issued, null, 2)}\n`);
    return;
  }
  process.stdout.write(`${issued.token}\n`);
  process.stderr.write(
    `Shown only now. It speaks for ${issued.username} at ${issued.resources.join(', ')} until ${readableDate(issued.expiresAt)};\n` +
      `take it back with: mcp-gateway token revoke ${issued.id}\n`,
  );
}

export async function tokenList(options: Options): Promise<void> {
  const { tokens } = (await askGateway(options, 'GET', '/tokens')) as { tokens: TokenInfo[] };
  if (options.json) {
    process.stdout.write(`${JSON.stringify(tokens, null, 2)}\n`);
    return;
  }
  if (tokens.length === 0) {
    process.stdout.write('There are none. Make one with: mcp-gateway token issue --user NAME --server NAME\n');
    return;
  }
  printTable(
    ['ID', 'NAME', 'SPEAKS FOR', 'GOOD UNTIL', 'SCOPE', 'OPENS'],
    tokens.map(({ id, name, username, expiresAt, scope, resources }) => [
      id,
      name,
      username,
      readableDate(expiresAt),
      scope.join(' '),
      resources.join(' '),
    ]),
  );
}

export async function tokenRevoke(id: string, options: Options): Promise<void> {
  await askGateway(options, 'DELETE', `/tokens/${encodeURIComponent(id)}`);
  process.stdout.write(options.json ? `${JSON.stringify({ id })}\n` : 'It is no longer good.\n');
}
