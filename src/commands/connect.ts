/** `connect`: for clients that speak stdio alone. */

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { access } from '../connect/access.ts';
import { hasBrowser } from '../connect/browser-login.ts';
import { connect as connectTo } from '../connect/connect.ts';
import { kept } from '../connect/kept.ts';
import { type LogLevel, log } from '../log.ts';
import { fileStore } from '../store/file-store.ts';

interface ConnectOptions {
  readonly header?: readonly string[];
  readonly clientId?: string;
  readonly clientSecretFile?: string;
  readonly device?: true;
  readonly logout?: true;
  readonly stateDir?: string;
  readonly logLevel?: LogLevel;
}

/** Resolves when the client has closed its side. Rejects with one sentence where the server cannot be had. */
export async function connect(url: string, options: ConnectOptions): Promise<void> {
  const endpoint = endpointOf(url);
  const headers = headersOf(options.header ?? []);
  const stopped = new AbortController();
  const stop = () => stopped.abort();
  process.once('SIGTERM', stop).once('SIGINT', stop);
  const { signal } = stopped;
  await using store = fileStore(join(stateDirOf(options.stateDir), 'connect.db'));
  const way = access({
    endpoint,
    kept: kept(store),
    client: clientOf(options),
    device: options.device ?? !hasBrowser(),
    say: (text) => process.stderr.write(`mcp-gateway: ${text}\n`),
    signal,
  });
  if (options.logout) {
    if (!(await way.end())) throw new Error(`nobody is logged in at ${endpoint.href}`);
    return;
  }
  try {
    await connectTo(
      {
        endpoint,
        headers,
        // Whoever brings a token needs none of ours.
        access: 'authorization' in headers ? undefined : way,
        log: log({ level: options.logLevel ?? 'warn', format: 'pretty', output: process.stderr }),
        input: process.stdin,
        output: process.stdout,
      },
      signal,
    );
  } finally {
    process.stdin.destroy();
  }
}

function endpointOf(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new Error(`${text} is no URL; give that of the MCP endpoint, like https://mcp.example.com/files/mcp`);
  if (url.username !== '' || url.password !== '')
    throw new Error('the URL holds a password, which others can see; use --header, or log in');
  url.hash = '';
  return url;
}

/** `Name: value`, where `$NAME` is taken from the environment: a command line can be seen by others. */
function headersOf(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):\s*(.*)$/.exec(line) ?? [];
      if (name === undefined || value === undefined) throw new Error('--header is written like "X-Api-Key: $API_KEY"');
      const filled = value.replace(/\$(\w+)/g, (_, variable: string) => {
        const found = process.env[variable];
        if (found === undefined) throw new Error(`--header ${name}: the environment has no ${variable}`);
        return found;
      });
      return [name.toLowerCase(), filled];
    }),
  );
}

function clientOf({ clientId, clientSecretFile }: ConnectOptions): { id: string; secret?: string } | undefined {
  if (clientId === undefined) {
    if (clientSecretFile === undefined) return undefined;
    throw new Error('--client-secret-file is that of a client; name it with --client-id');
  }
  if (clientSecretFile === undefined) return { id: clientId };
  return { id: clientId, secret: readFileSync(clientSecretFile, 'utf8').replace(/\r?\n$/, '') };
}

/** XDG Base Directory Specification: state that should persist between restarts. */
function stateDirOf(named: string | undefined): string {
  if (named !== undefined) return resolve(named);
  const state = process.env.XDG_STATE_HOME ?? '';
  return join(state === '' ? join(homedir(), '.local', 'state') : state, 'mcp-gateway');
}
