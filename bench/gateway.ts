/** The gateway under test: the executable as people install it, with a personal token. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { hashPassword } from '../src/oauth/password.ts';
import { freePort } from '../test/support/free-port.ts';
import { type Running, start } from './process.ts';
import type { Workshop } from './workshop.ts';

export interface Gateway extends Running {
  readonly port: number;
  /** Opens the servers and routers that were named. */
  token(servers: readonly string[]): string;
}

export interface GatewayOptions {
  readonly config: Readonly<Record<string, unknown>>;
  readonly secure?: boolean;
  /** Runs the sources with these options of Node, for profiles. */
  readonly nodeOptions?: readonly string[];
}

const root = join(import.meta.dirname, '..');
const executable = join(root, 'dist/mcp-gateway');

/** Its path. Builds it where it is missing, which takes a quarter of a minute; it is not built anew when sources change. */
export function built(): string {
  if (!existsSync(executable)) {
    process.stderr.write('building dist/mcp-gateway …\n');
    execFileSync(join(root, 'scripts/build-sea.sh'), ['--no-measure'], { stdio: 'ignore' });
  }
  return executable;
}

export async function gateway(shop: Workshop, options: GatewayOptions): Promise<Gateway> {
  const { secure = false, nodeOptions } = options;
  const directory = mkdtempSync(join(shop.directory, 'gateway-'));
  const [port, plain] = [await freePort(), await freePort()];
  const { cert, key } = shop.certificate;
  const config = {
    publicUrl: `${secure ? 'https' : 'http'}://127.0.0.1:${port}`,
    stateDir: join(directory, 'state'),
    store: 'memory:',
    entrypoints: secure
      ? { http: { listen: `127.0.0.1:${plain}` }, https: { listen: `127.0.0.1:${port}` } }
      : { http: { listen: `127.0.0.1:${port}` } },
    ...(secure && { tls: { files: [{ cert, key }] } }),
    auth: { login: { password: { users: { admin: { hash: await hashPassword('admin', { ln: 4, r: 8, p: 1 }) } } } } },
    // The others write no access log either.
    log: { level: 'warn', access: false },
    ...options.config,
  };
  const file = shop.file(`${directory.slice(shop.directory.length + 1)}/gateway.config.json`, JSON.stringify(config));
  const [command = '', ...words] =
    nodeOptions === undefined ? [built()] : [process.execPath, ...nodeOptions, join(root, 'src/cli.ts')];
  const running = await start(command, [...words, 'serve', '-c', file], {
    says: / ready /,
    cwd: directory,
    alone: true,
  });
  return {
    ...running,
    port,
    token(servers) {
      const named = servers.flatMap((name) => ['--server', name]);
      const asked = ['token', 'issue', '-c', file, '--user', 'admin', ...named];
      return execFileSync(built(), asked, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    },
  };
}
