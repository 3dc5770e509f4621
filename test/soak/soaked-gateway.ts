/** The program itself with servers of every kind, and what can be seen of it from outside. */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { askGateway } from '../../src/commands/admin-client.ts';
import { service } from '../../src/commands/service-units.ts';
import type { GatewayStatus } from '../../src/gateway-status.ts';
import { freePort } from '../support/free-port.ts';
import { fromSources, startProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

export interface SoakedGateway extends AsyncDisposable {
  readonly port: number;
  readonly servers: readonly SoakedServer[];
  /** Tokens by user; each opens every server. */
  readonly tokens: ReadonlyMap<string, string>;
  status(): Promise<GatewayStatus>;
  /** What the gateway holds after a collection of garbage. */
  probe(): Promise<Held>;
  /** Process ids of all that its servers have ever started and that still run. */
  descendants(): readonly number[];
  /** Lines of its log at the level error. */
  errors(): readonly string[];
}

export interface SoakedServer {
  readonly name: string;
  readonly eras: 'legacy' | 'modern';
  /** One process for all: what kills it, kills it for everybody. */
  readonly shared: boolean;
}

export interface Held {
  /** Bytes in use by JavaScript and by buffers. */
  readonly heap: number;
  readonly rss: number;
  readonly descriptors: number;
  /** Counts by kind, as Node names them. */
  readonly resources: Readonly<Record<string, number>>;
}

const child = (file: string) => fileURLToPath(new URL(`../support/children/${file}`, import.meta.url));
const users = ['ada', 'bob', 'cleo', 'dan'];
/** No server of the soak would ever verify it: nobody logs in. */
const hash = `$scrypt$ln=17,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;

/** `executable` is the one that scripts/build-sea.sh makes; else the sources run. */
export async function soakedGateway(executable?: string): Promise<SoakedGateway> {
  const directory = await temporaryDirectory();
  const port = await freePort();
  const mark = `soak-${process.pid}-${port}`;
  const common = { idleTimeout: '1s', requestTimeout: '3s', maxChildren: 40, env: { SOAK_MARK: mark } };
  const server = (file: string, more: object, ...args: string[]) => ({
    ...common,
    command: process.execPath,
    args: [child(file), ...args],
    ...more,
  });
  const mcpServers: Record<string, object> = {
    // The remote server is this very gateway, so that whatever holds a connection open holds a process too.
    behind: server('server.mjs', { public: true }),
    remote: { url: `http://127.0.0.1:${port}/behind/mcp`, tools: { deny: ['none'] }, ...common, env: {} },
    stubborn: server('server.mjs', { spare: true }, '--deaf', '--stay'),
  };
  for (const isolation of ['session', 'caller', 'shared']) {
    mcpServers[`legacy-${isolation}`] = server('server.mjs', { isolation });
    mcpServers[`modern-${isolation}`] = server('modern.mjs', { isolation }, '--deaf');
  }
  const probe = `--require=${child('probe.cjs')}`;
  const program = await startProgram({
    program: executable === undefined ? fromSources(probe) : [executable, `--node-options=${probe}`],
    env: service.allocator,
    config: {
      publicUrl: `http://127.0.0.1:${port}`,
      stateDir: directory.path,
      entrypoints: { http: { listen: `127.0.0.1:${port}` } },
      auth: { login: { password: { users: Object.fromEntries(users.map((user) => [user, { hash }])) } } },
      mcpServers,
      limits: {
        keepAlive: '1s',
        headTimeout: '2s',
        stall: '2s',
        mcp: { keepAlive: '500ms', stalled: '1s', streamAfter: '200ms', childGrace: '200ms', eventLog: '200kb' },
      },
      log: { level: 'error', format: 'json', access: false },
    },
  });
  const ask = (method: 'GET' | 'POST', path: string, body?: object) =>
    askGateway({ stateDir: directory.path }, method, path, body);
  const names = Object.keys(mcpServers).filter((name) => name !== 'behind');
  const tokens = new Map<string, string>();
  for (const user of users) {
    const body = { user: `password:${user}`, servers: names, scope: [], name: 'soak', lifetime: 86_400 };
    const { token } = (await ask('POST', '/tokens', body)) as { token: string };
    tokens.set(user, token);
  }
  return {
    port,
    tokens,
    servers: names.map((name) => ({
      name,
      eras: name.startsWith('modern') ? 'modern' : 'legacy',
      shared: name.endsWith('shared'),
    })),
    status: async () => (await ask('GET', '/status')) as GatewayStatus,
    async probe() {
      const before = program.errors().length;
      program.process.kill('SIGUSR2');
      for (;;) {
        const [, line] = /^probe (.+)$/m.exec(program.errors().slice(before)) ?? [];
        if (line !== undefined) return JSON.parse(line) as Held;
        if (program.process.exitCode !== null) throw new Error(`the gateway ended: ${program.errors().slice(-2000)}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    descendants: () => processesWith(`SOAK_MARK=${mark}`),
    errors: () =>
      program
        .errors()
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('probe ')),
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

function processesWith(variable: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(variable);
      } catch {
        return false;
      }
    })
    .map(Number);
}
