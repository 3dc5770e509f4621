/** `connect`: a stdio client's way to a server elsewhere, with the login that it wants. */

import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { Log } from '../log.ts';
import { bridgeLimits, mcpServerConfig } from '../mcp/config.ts';
import { joinedServer } from '../mcp/joined-server.ts';
import { modernVersions } from '../mcp/modern-revision.ts';
import { discoverRequest } from '../mcp/probe.ts';
import { openReaper } from '../mcp/reaper.ts';
import { unreachable } from '../mcp/remote-answer.ts';
import { remoteConnection } from '../mcp/remote-connection.ts';
import { modernHeaders } from '../mcp/remote-headers.ts';
import { type RemoteServer, remoteServer } from '../mcp/remote-server.ts';
import { type StdioFrontOptions, stdioFront } from '../mcp/stdio-front.ts';
import type { Access } from './access.ts';
import { authorized } from './authorized.ts';

export interface ConnectOptions extends Pick<StdioFrontOptions, 'input' | 'output'> {
  readonly endpoint: URL;
  /** Added to every request. */
  readonly headers: Readonly<Record<string, string>>;
  /** Absent where a header says who we are. */
  readonly access?: Access | undefined;
  readonly log: Log;
}

/** Seconds. */
const connectTimeout = 10;

/** Resolves when the client is done, or `signal` says so. Rejects with one sentence where the server cannot be had. */
export async function connect(options: ConnectOptions, signal: AbortSignal): Promise<void> {
  const { endpoint, headers, access, log } = options;
  const limits = bridgeLimits.parse({});
  const { href: url } = endpoint;
  trustSystem();
  await using bare = remoteServer({ url, headers, message: limits.message, connectTimeout });
  const server = access === undefined ? bare : authorized(bare, access);
  await knock(server, endpoint, signal);
  await using reaper = openReaper(log);
  await using joined = joinedServer({
    config: { ...mcpServerConfig.parse({ url }), command: url },
    log,
    reaper,
    limits,
    connect: () => remoteConnection({ server, log, grace: limits.childGrace }),
  });
  await stdioFront({ ...options, server: joined, limits }, signal);
}

/** The person logs in before anything is asked that has only so long to be answered. */
async function knock(server: RemoteServer, { href, origin }: URL, signal: AbortSignal): Promise<void> {
  const { bytes: body } = discoverRequest;
  const headers = modernHeaders(discoverRequest, modernVersions[0] ?? '', []);
  const own = new AbortController();
  const asked = server.ask({ method: 'POST', headers, body, signal: AbortSignal.any([signal, own.signal]) });
  const answer = await asked.catch((error: Error) => {
    throw unreachable(error) ? new Error(`${origin} cannot be reached: ${error.message}`, { cause: error }) : error;
  });
  own.abort();
  if (answer.status === 401 || answer.status === 403)
    throw new Error(`${href} answers ${answer.status}: it does not let us in with what we have`);
}

/** What this machine trusts, we trust: a local authority among it. */
function trustSystem(): void {
  setDefaultCACertificates([...getCACertificates('default'), ...getCACertificates('system')]);
}
