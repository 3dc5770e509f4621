/** `status` and `reload`: what the running gateway knows of itself, and its configuration read anew. */

import type { ToldStatus } from '../admin/operations.ts';
import type { CertificateRow } from '../gateway-status.ts';
import { askGateway, type GatewayOptions } from './admin-client.ts';
import { readableDate, readableSize, readableTime } from './readable.ts';
import { printSentences, printTable } from './table.ts';
import { printTimeline } from './timeline.ts';

export async function status(options: GatewayOptions & { json?: true; timeline?: true }): Promise<void> {
  if (options.timeline) return printTimeline(options);
  const found = (await askGateway(options, 'GET', '/status')) as ToldStatus;
  if (options.json) process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
  else print(found);
}

export async function reload(options: GatewayOptions & { json?: true }): Promise<void> {
  const answer = await askGateway(options, 'POST', '/reload');
  const text = options.json ? JSON.stringify(answer) : 'The configuration has been read anew and is at work.';
  process.stdout.write(`${text}\n`);
}

function print(found: ToldStatus): void {
  const { requests, servers } = found;
  const kinds = Object.entries(requests.byStatus)
    .sort()
    .map(([kind, count]) => `${kind} ${count}`);
  const lines = [
    `mcp-gateway ${found.version} at ${found.publicUrl}`,
    `up ${readableTime(found.uptime)}, pid ${found.pid}${found.rss === undefined ? '' : `, ${readableSize(found.rss)}`}, Node ${found.node}`,
    `requests ${requests.total}${kinds.length > 0 ? ` (${kinds.join(', ')})` : ''}, sessions ${found.sessions}, clients ${found.clients}`,
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  printTable(
    ['ENTRYPOINT', 'ADDRESS', 'CONNECTIONS'],
    found.entrypoints.map(({ name, address, connections }) => [name, address, String(connections)]),
  );
  if (found.certificates.length > 0) {
    process.stdout.write('\n');
    printCertificates(found.certificates);
  }
  process.stdout.write('\n');
  printTable(
    ['SERVER', 'STATE', 'SESSIONS', 'CHILDREN', 'URL'],
    servers.map(({ name, state, retryIn, sessions, children, url }) => [
      name,
      retryIn === undefined ? state : `${state}, next try in ${readableTime(retryIn)}`,
      String(sessions),
      String(children.length),
      url,
    ]),
  );
  const children = servers.flatMap(({ name, children: all }) => all.map((child) => ({ name, ...child })));
  if (children.length > 0) {
    process.stdout.write('\n');
    printTable(
      ['CHILD OF', 'PID', 'MEMORY', 'AGE', 'FOR'],
      children.map(({ name, pid, rss, age, owner }) => [
        name,
        String(pid),
        rss === undefined ? '-' : readableSize(rss),
        readableTime(age),
        owner === '' ? 'whoever comes next' : owner,
      ]),
    );
  }
  for (const { name, state, lastFailure } of servers)
    if (state !== 'ready' && lastFailure !== undefined) process.stdout.write(`\n${name}: ${lastFailure}\n`);
}

export function printCertificates(certificates: readonly CertificateRow[]): void {
  printSentences(
    ['CERTIFICATE OF', 'DAYS LEFT', 'EXPIRES', 'RENEWS', 'ISSUER', 'PROBLEM'],
    certificates.map(({ host, daysLeft, notAfter, renewAt, issuer, problem, nextTry }) => [
      host,
      daysLeft === undefined ? '-' : String(daysLeft),
      notAfter === undefined ? '-' : readableDate(notAfter),
      renewAt === undefined ? '-' : readableDate(renewAt),
      issuer ?? '-',
      problem === undefined
        ? notAfter === undefined
          ? 'is being ordered'
          : ''
        : `${problem}${nextTry === undefined ? '' : `; next try ${readableDate(nextTry)}`}`,
    ]),
  );
}
