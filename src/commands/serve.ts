/** `serve`: the gateway in the foreground, from the command line's words to the last child's end. */

import { basename } from 'node:path';
import { operations } from '../admin/operations.ts';
import { adminSocketPath, openAdminSocket } from '../admin/socket.ts';
import { type ConfigSource, loadConfig } from '../config.ts';
import type { Operations } from '../console/operations.ts';
import { type Gateway, startGateway } from '../gateway.ts';
import { gatheredLines } from '../gathered-lines.ts';
import { type Log, type LogLevel, log, overheard } from '../log.ts';
import { banner } from './banner.ts';
import { type ServiceManager, serviceManager } from './service-manager.ts';

interface ServeOptions {
  readonly config?: string;
  readonly listen?: string;
  readonly publicUrl?: string;
  readonly name?: string;
  readonly stateDir?: string;
  readonly store?: string;
  readonly logLevel?: LogLevel;
  readonly logFormat?: 'json' | 'pretty';
}

/** Resolves when the gateway has stopped in order. Throws where it cannot start. */
export async function serve(command: readonly string[], options: ServeOptions): Promise<void> {
  const started = performance.now();
  const source = configSource(command, options);
  const config = loadConfig(source);
  using lines = gatheredLines(process.stderr);
  const { level, format } = config.log;
  const written = log({ level, format, output: process.stderr, write: lines.write });
  using audit =
    config.log.audit === undefined
      ? undefined
      : (await import('../audit-log.ts')).openAuditLog(config.log.audit, written);
  const gatewayLog = audit === undefined ? written : overheard(written, audit.hear);
  let running: Gateway | undefined;
  await using manager = serviceManager({ env: process.env, log: gatewayLog, alive: async () => running?.ailment() });
  const reload = reloader(source, manager);
  const administer = (gateway: Gateway) => operations({ gateway, reload: () => reload(gateway) });
  await using gateway = await startGateway(config, gatewayLog, administer);
  running = gateway;
  await using _admin =
    config.stateDir === undefined ? undefined : await administered(config.stateDir, administer(gateway), gateway.log);
  manager.ready(summary(gateway));
  process.stdout.write(banner(gateway, performance.now() - started));
  const hangUp = () => {
    audit?.reopen();
    return reload(gateway);
  };
  await stopped(hangUp, gatewayLog);
  manager.stopping();
}

/** Waits for SIGTERM or SIGINT. A second one ends the process at once; SIGHUP reloads, and a fault leaves all as it was. */
function stopped(reload: () => Promise<void>, gatewayLog: Log): Promise<void> {
  return new Promise((resolve) => {
    const stop = (signal: NodeJS.Signals) => {
      gatewayLog.info('stopping', { signal });
      process.off('SIGTERM', stop).off('SIGINT', stop);
      process.once('SIGTERM', () => process.exit(143)).once('SIGINT', () => process.exit(130));
      resolve();
    };
    process.on('SIGTERM', stop).on('SIGINT', stop);
    process.on('SIGHUP', () => {
      // Why it failed is in the log.
      reload().catch(() => {});
    });
  });
}

/** One after the other, whoever asks: each reads the file when its turn comes. */
function reloader(source: ConfigSource, manager: ServiceManager): (gateway: Gateway) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  const reload = async (gateway: Gateway) => {
    manager.reloading();
    try {
      await gateway.reload(loadConfig(source));
      gateway.log.info('configuration reloaded');
    } catch (error) {
      gateway.log.error('configuration not reloaded, the old one stays', { error });
      throw error;
    } finally {
      manager.ready(summary(gateway));
    }
  };
  return (gateway) => {
    last = last.then(
      () => reload(gateway),
      () => reload(gateway),
    );
    return last;
  };
}

function summary({ servers: { length }, publicUrl }: Gateway): string {
  return `${length === 1 ? 'one MCP server' : `${length} MCP servers`} at ${publicUrl.origin}`;
}

/** Administration is a convenience: a gateway that cannot have its socket serves all the same. */
async function administered(
  stateDir: string,
  allowed: Operations,
  gatewayLog: Log,
): Promise<AsyncDisposable | undefined> {
  try {
    return await openAdminSocket(adminSocketPath(stateDir), allowed, gatewayLog);
  } catch (error) {
    gatewayLog.warn('no admin socket, so the verbs for a running gateway do not reach this one', { error });
    return undefined;
  }
}

function configSource(command: readonly string[], options: ServeOptions): ConfigSource {
  const [program, ...args] = command;
  return {
    ...(options.config !== undefined && { file: options.config }),
    overrides: {
      ...(options.listen !== undefined && { entrypoints: { http: { listen: options.listen } } }),
      ...(options.publicUrl !== undefined && { publicUrl: options.publicUrl }),
      ...(options.stateDir !== undefined && { stateDir: options.stateDir }),
      ...(options.store !== undefined && { store: options.store }),
      ...((options.logLevel !== undefined || options.logFormat !== undefined) && {
        log: {
          ...(options.logLevel !== undefined && { level: options.logLevel }),
          ...(options.logFormat !== undefined && { format: options.logFormat }),
        },
      }),
      ...(program !== undefined && {
        mcpServers: { [options.name ?? serverName(command)]: { command: program, args } },
      }),
    },
    env: process.env,
  };
}

/** What people would call the server that this command runs: `npx -y @scope/server-files .` is `files`. */
export function serverName(command: readonly string[]): string {
  const runners = new Set([
    'npx',
    'uvx',
    'uv',
    'node',
    'python',
    'python3',
    'bunx',
    'bun',
    'deno',
    'docker',
    'run',
    'tool',
  ]);
  const word =
    command.find((part) => !part.startsWith('-') && !runners.has(basename(part)) && !/^\w+=/.test(part)) ?? '';
  const entries = new Set(['index', 'main', 'cli', 'server', 'src', 'dist', 'build', 'bin', '']);
  const parts = word.split('/').map((part) => part.replace(/(.)@.*$/, '$1').replace(/\.[cm]?[jt]s$|\.py$/, ''));
  const name = parts.reverse().find((part) => !entries.has(part)) ?? '';
  return (
    name
      .replace(/^(mcp-)?(server-)?/, '')
      .replace(/(-mcp)?(-server)?$/, '')
      .replace(/[^\w-]/g, '') || 'mcp'
  );
}
