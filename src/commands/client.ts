/** `client`: the OAuth clients that the running gateway knows. */

import type { ClientInfo } from '../admin/operations.ts';
import { askGateway, type GatewayOptions } from './admin-client.ts';
import { readableDate } from './readable.ts';
import { printTable } from './table.ts';
import { printTrail, timelineOf } from './timeline.ts';

type Options = GatewayOptions & { readonly json?: true };

export async function clientList(options: Options): Promise<void> {
  const { clients } = (await askGateway(options, 'GET', '/clients')) as { clients: ClientInfo[] };
  if (options.json) return print(clients);
  if (clients.length === 0) {
    process.stdout.write('There are none yet: clients register themselves when they first connect.\n');
    return;
  }
  printTable(
    ['ID', 'NAME', 'KIND', 'SINCE', 'GRANTS', 'RETURNS TO'],
    clients.map(({ id, kind, metadata, issuedAt, grants }) => [
      id,
      metadata.client_name ?? '-',
      kind,
      issuedAt === undefined ? '-' : readableDate(issuedAt),
      String(grants.length),
      metadata.redirect_uris.join(' '),
    ]),
  );
}

export async function clientShow(id: string, options: Options): Promise<void> {
  const client = (await askGateway(options, 'GET', pathOf(id))) as ClientInfo;
  const trail = (await timelineOf(options)).find(({ clientId }) => clientId === client.id);
  if (options.json) return print({ ...client, ...(trail && { timeline: trail }) });
  const { grants, metadata, kind, issuedAt } = client;
  const facts: [string, string][] = [
    ['id', client.id],
    ['kind', kind],
    ...(issuedAt === undefined ? [] : [['since', readableDate(issuedAt)] as [string, string]]),
    ...Object.entries(metadata).map(([name, value]): [string, string] => [
      name,
      Array.isArray(value) ? value.join(' ') : typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  ];
  printTable(['MEMBER', 'VALUE'], facts);
  process.stdout.write(grants.length === 0 ? '\nNobody has let it in.\n' : '\n');
  if (grants.length > 0)
    printTable(
      ['LET IN BY', 'SUBJECT', 'LAST USED', 'SCOPE', 'RESOURCES'],
      grants.map(({ username, subject, usedAt, createdAt, scope, resources }) => [
        username,
        subject,
        readableDate(usedAt ?? createdAt),
        scope.join(' '),
        resources.join(' '),
      ]),
    );
  if (trail !== undefined) printTrail(trail);
}

export async function clientDelete(id: string, options: Options): Promise<void> {
  const ended = (await askGateway(options, 'DELETE', pathOf(id))) as { grants: number };
  if (options.json) return print(ended);
  const grants = ended.grants === 1 ? 'one grant' : `${ended.grants} grants`;
  process.stdout.write(`Deleted ${id}; ${grants} ended with it.\n`);
}

export async function clientAdd(
  options: Options & { redirectUri: string[]; name?: string; secret?: true },
): Promise<void> {
  const { redirectUri: redirectUris, name, secret = false } = options;
  const asked = { redirectUris, secret, ...(name !== undefined && { name }) };
  const added = (await askGateway(options, 'POST', '/clients', asked)) as ClientInfo & { secret?: string };
  if (options.json) return print(added);
  const lines = [`client_id      ${added.id}`];
  if (added.secret !== undefined) lines.push(`client_secret  ${added.secret}   (shown only now)`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

const pathOf = (id: string) => `/clients/${encodeURIComponent(id)}`;

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
