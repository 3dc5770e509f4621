/**
 * An MCP server that speaks HTTP itself. Clients of its own era reach it untouched; for the others, and where its tools are
 * filtered, the gateway is a bridge as it is for a process.
 */

import type { Handler } from '../router/handler.ts';
import { type Bridge, type BridgeDeps, bridge } from './bridge.ts';
import { calledAt, toldOf } from './called.ts';
import type { Child } from './child.ts';
import type { RemoteServerConfig } from './config.ts';
import type { Command } from './environment.ts';
import { shakeHands } from './handshake.ts';
import { probe } from './probe.ts';
import { latest } from './protocol-version.ts';
import { type RemoteConnection, remoteConnection } from './remote-connection.ts';
import { remoteServer } from './remote-server.ts';

/** Relays requests as they are. */
interface Pass extends AsyncDisposable {
  readonly service: Handler;
  quiesce(): void;
}

export interface RemoteDeps extends Omit<BridgeDeps, 'connect'> {
  readonly pass: Pass;
  /** Seconds. */
  readonly connectTimeout: number;
  /** Bytes of a body that is read to tell what was called; without it nobody wants to know. */
  readonly auditedBody?: number | undefined;
}

/** What may pass as it is. */
interface Eras {
  readonly legacy: boolean;
  readonly modern: boolean;
}

/** Seconds that a server has to say which eras it speaks. */
const patience = 10;
/** Milliseconds that the verdict is good for; meanwhile the server may have been replaced by another version. */
const verdictLife = 300_000;
/** Milliseconds before a server that said nothing is asked again. */
const silenceLife = 5000;

export function remote(name: string, config: RemoteServerConfig, deps: RemoteDeps): Bridge {
  const { log, limits, pass, connectTimeout, auditedBody } = deps;
  const server = remoteServer({ url: config.url, headers: config.headers, message: limits.message, connectTimeout });
  const connect = (command?: Command): RemoteConnection =>
    remoteConnection({
      server,
      // What everybody shares speaks for nobody.
      caller: config.isolation === 'shared' ? undefined : command?.caller,
      log: log.with({ server: name }),
      grace: limits.childGrace,
    });
  const translated = bridge(name, { ...config, command: config.url }, { ...deps, connect });
  const filtered = config.tools.allow !== undefined || config.tools.deny.length > 0;
  const passing = (era: 'legacy' | 'modern') =>
    auditedBody === undefined ? pass.service : toldOf(calledAt(name, era), auditedBody, pass.service);
  const passed = { legacy: passing('legacy'), modern: passing('modern') };
  let verdict: { readonly eras: Eras | undefined; readonly until: number } | undefined;
  let asking: Promise<Eras | undefined> | undefined;

  const ask = async (): Promise<Eras | undefined> => {
    const [modern, transport] = await Promise.all([speaksModern(connect()), transportOf(connect())]);
    const eras = modern || transport ? { modern, legacy: transport === 'streamable' } : undefined;
    verdict = { eras, until: Date.now() + (eras ? verdictLife : silenceLife) };
    if (eras && !(modern && eras.legacy)) log.debug('only one era is spoken', { server: name, ...eras });
    return eras;
  };

  /** The last verdict while there is one: only the first request waits. */
  const known = async (): Promise<Eras | undefined> => {
    if (verdict && Date.now() < verdict.until) return verdict.eras;
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return verdict?.eras ?? (await asking);
  };

  return {
    async service(exchange) {
      if (filtered) return translated.service(exchange);
      const version = exchange.req.headers['mcp-protocol-version'];
      // 2026-07-28 streamable HTTP: the header names the version on every request of that era.
      const modern = typeof version === 'string' && version.trim() > latest;
      const eras = await known();
      // A server that says neither is asked by the client itself.
      const foreign = eras !== undefined && !(modern ? eras.modern : eras.legacy);
      return foreign ? translated.service(exchange) : passed[modern ? 'modern' : 'legacy'](exchange);
    },
    sse: translated.sse,
    quiesce() {
      pass.quiesce();
      translated.quiesce();
    },
    status: () => ({ ...translated.status(), state: 'upstream' }),
    async [Symbol.asyncDispose]() {
      await Promise.all([pass[Symbol.asyncDispose](), translated[Symbol.asyncDispose]()]);
      await server[Symbol.asyncDispose]();
      await asking;
    },
  };
}

async function speaksModern(connection: Child): Promise<boolean> {
  const { era } = await probe(connection, patience);
  await connection.end();
  return era === 'modern';
}

/**
 * How clients of the sessions era reach it, if they do. Many servers of both eras name only the newer revisions when asked,
 * so that a handshake has to be tried.
 */
async function transportOf(connection: RemoteConnection): Promise<'streamable' | 'former' | undefined> {
  const spoken = await shakeHands(connection, patience, {}).then(
    () => true,
    () => false,
  );
  const transport = connection.former ? 'former' : 'streamable';
  await connection.end();
  return spoken ? transport : undefined;
}
