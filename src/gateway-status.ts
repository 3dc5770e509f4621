/** What the running gateway knows of itself: for `status`, and for whoever else shows it. */

import { promises as files } from 'node:fs';
import type { BridgeStatus } from './mcp/bridge.ts';
import type { Plan, PublishedServer } from './plan.ts';
import type { RequestCounts } from './router/request-counts.ts';
import type { ServerHealth } from './router/service.ts';
import type { CertificateStatus } from './tls/acme/certificates.ts';
import { version } from './version.ts';

export interface GatewayStatus {
  readonly version: string;
  readonly node: string;
  readonly pid: number;
  /** Bytes; absent where the system does not tell. */
  readonly rss?: number;
  /** ISO 8601. */
  readonly startedAt: string;
  /** Seconds. */
  readonly uptime: number;
  readonly publicUrl: string;
  readonly entrypoints: readonly EntrypointStatus[];
  readonly certificates: readonly CertificateRow[];
  readonly servers: readonly ServerStatus[];
  /** Those of the configuration, where routers lead. */
  readonly services: readonly ServiceStatus[];
  readonly sessions: number;
  readonly requests: RequestCounts;
}

export interface EntrypointStatus {
  readonly name: string;
  readonly address: string;
  readonly connections: number;
}

/** One certificate, or one that could not be had. */
export interface CertificateRow {
  readonly host: string;
  readonly issuer?: string;
  /** ISO 8601. */
  readonly notAfter?: string;
  /** Whole days until it expires; negative once it has. */
  readonly daysLeft?: number;
  /** ISO 8601, where it renews by itself. */
  readonly renewAt?: string;
  readonly problem?: string;
  /** ISO 8601, where a try failed. */
  readonly nextTry?: string;
}

export interface ServerStatus extends PublishedServer {
  /** `upstream` has a life of its own; the others are those of its processes. */
  readonly state: 'upstream' | BridgeStatus['state'];
  /** Seconds until the next try, where the state is `backing off` or `stopped`. */
  readonly retryIn?: number;
  readonly lastFailure?: string;
  readonly sessions: number;
  readonly children: readonly ChildStatus[];
}

export interface ServiceStatus {
  readonly name: string;
  readonly servers: readonly ServerHealth[];
}

export interface ChildStatus {
  readonly pid: number;
  readonly owner: string;
  /** Seconds. */
  readonly age: number;
  /** Bytes; absent where the system does not tell. */
  readonly rss?: number;
}

export interface StatusSources {
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly publicUrl: URL;
  readonly entrypoints: readonly EntrypointStatus[];
  readonly certificates: readonly CertificateStatus[];
  readonly plan: Plan | undefined;
  readonly requests: RequestCounts;
}

export async function gatewayStatus(sources: StatusSources): Promise<GatewayStatus> {
  const { startedAt, plan } = sources;
  const servers = await Promise.all((plan?.servers ?? []).map((server) => serverStatus(server, plan)));
  const memory = ownMemory();
  return {
    version,
    node: process.versions.node,
    pid: process.pid,
    ...(memory !== undefined && { rss: memory }),
    startedAt: new Date(startedAt).toISOString(),
    uptime: Math.floor((Date.now() - startedAt) / 1000),
    publicUrl: sources.publicUrl.origin,
    entrypoints: sources.entrypoints,
    certificates: sources.certificates.map(certificateRow),
    servers,
    services: serviceStatus(plan),
    sessions: servers.reduce((sum, server) => sum + server.sessions, 0),
    requests: sources.requests,
  };
}

export function certificateRow({
  host,
  issuer,
  notAfter,
  renewAt,
  problem,
  nextTry,
}: CertificateStatus): CertificateRow {
  return {
    host,
    ...(issuer !== undefined && { issuer }),
    ...(notAfter !== undefined && {
      notAfter: new Date(notAfter).toISOString(),
      daysLeft: Math.floor((notAfter - Date.now()) / 86_400_000),
    }),
    ...(renewAt !== undefined && { renewAt: new Date(renewAt).toISOString() }),
    ...(problem !== undefined && { problem }),
    ...(nextTry !== undefined && { nextTry: new Date(nextTry).toISOString() }),
  };
}

function serviceStatus(plan: Plan | undefined): ServiceStatus[] {
  return [...(plan?.services ?? [])].flatMap(([key, { health }]) =>
    health === undefined ? [] : [{ name: key.replace(/^services\//, ''), servers: health() }],
  );
}

async function serverStatus(server: PublishedServer, plan: Plan | undefined): Promise<ServerStatus> {
  const status = plan?.services.get(server.name)?.status?.();
  if (status === undefined) return { ...server, state: 'upstream', sessions: 0, children: [] };
  const { state, retryIn, lastFailure, sessions } = status;
  const children = status.children.map(async ({ pid, owner, startedAt }): Promise<ChildStatus> => {
    const rss = await memoryOf(pid);
    const age = Math.floor((Date.now() - startedAt) / 1000);
    return { pid, owner, age, ...(rss !== undefined && { rss }) };
  });
  return {
    ...server,
    state,
    ...(retryIn > 0 && { retryIn }),
    ...(lastFailure !== undefined && { lastFailure }),
    sessions,
    children: await Promise.all(children),
  };
}

/** Node reads it from /proc, which a root directory of few files lacks. */
function ownMemory(): number | undefined {
  try {
    return process.memoryUsage.rss();
  } catch {
    return undefined;
  }
}

/** proc_pid_status(5): VmRSS, in units of 1024 bytes. Other systems than Linux have no such file. */
async function memoryOf(pid: number): Promise<number | undefined> {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await files.readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}
