/** `init`: a configuration to begin with, from flags or from answers at the terminal. */

import { resolve } from 'node:path';
import { isLoopback } from '../config.ts';
import { defaultFile, systemFile } from '../config-file.ts';
import { hashPassword } from '../oauth/password.ts';
import { refuseToOverwrite, writeConfig } from './new-config.ts';
import { serverName } from './serve.ts';
import { service } from './service-units.ts';
import { ask, interactive, newPassword } from './terminal.ts';

export interface InitOptions {
  readonly config?: string;
  readonly force?: true;
  readonly json?: true;
  readonly publicUrl?: string;
  readonly listen?: string;
  readonly stateDir?: string;
  readonly login?: 'github' | 'password';
  readonly githubClientId?: string;
  readonly allow?: readonly string[];
  readonly user?: string;
  readonly certificates?: 'acme' | 'internal' | 'none';
  readonly email?: string;
  readonly name?: string;
}

type Written = Record<string, unknown>;

export async function init(command: readonly string[], options: InitOptions): Promise<void> {
  const file = options.config ?? defaultFile;
  const forService = resolve(file) === systemFile;
  refuseToOverwrite(file, options.force ?? false);
  const publicUrl = await given(options.publicUrl, 'URL people will reach it at', 'http://127.0.0.1:8080');
  if (!URL.canParse(publicUrl)) throw new Error(`${publicUrl} is no URL; write it like https://mcp.example.com`);
  const url = new URL(publicUrl);
  const stateDir = await given(
    options.stateDir,
    'directory for keys, grants and certificates',
    forService ? service.stateDir : './state',
  );
  const tls = await tlsOf(url, options);
  const { login, secret } = await loginOf(options);
  const words = command.length > 0 ? command : await askedCommand();
  const [program, ...args] = words;
  const config: Written = {
    publicUrl: url.origin,
    stateDir,
    ...listenOf(url, tls, options.listen),
    ...(tls !== undefined && { tls }),
    auth: { login },
    mcpServers:
      program === undefined ? {} : { [options.name ?? serverName(words)]: { command: program, args: [...args] } },
  };
  writeConfig(file, config, options.force ?? false);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ file, config }, null, 2)}\n`);
    return;
  }
  const steps = [
    ...(secret === undefined
      ? []
      : [
          forService
            ? `write ${secret}=… into ${service.environment}, the client secret of the GitHub OAuth app`
            : `export ${secret}=…   the client secret of the GitHub OAuth app`,
        ]),
    ...(secret === undefined ? [] : [`set the callback URL of that app to ${url.origin}/callback`]),
    `mcp-gateway check -c ${file}`,
    forService ? 'mcp-gateway service install' : `mcp-gateway serve -c ${file}`,
  ];
  process.stdout.write(`Wrote ${file}. Next:\n${steps.map((step) => `  ${step}\n`).join('')}`);
}

/** What a flag gave, else what the person answers, else the default. */
async function given(flag: string | undefined, question: string, fallback: string): Promise<string> {
  return flag ?? (interactive() ? await ask(question, fallback) : fallback);
}

async function askedCommand(): Promise<string[]> {
  if (!interactive()) return [];
  const line = await ask('command of a first stdio server (empty for none)');
  return line.split(/\s+/).filter(Boolean);
}

async function tlsOf(url: URL, options: InitOptions): Promise<Written | undefined> {
  if (url.protocol !== 'https:') return undefined;
  const local = isLoopback(url.hostname);
  const source = await given(
    options.certificates,
    'certificates: acme (got by itself), internal (for development), none (a proxy in front has them)',
    local ? 'internal' : 'acme',
  );
  if (source === 'none') return undefined;
  if (source === 'internal') return { internal: true };
  if (source !== 'acme') throw new Error(`${source} is no source of certificates; write acme, internal or none`);
  const email = await given(options.email, 'e-mail address for the issuer (may be empty)', '');
  return { acme: email === '' ? {} : { email } };
}

/** With tls the defaults, ports 80 and 443, are right; without, this machine alone is. */
function listenOf(url: URL, tls: Written | undefined, listen: string | undefined): Written {
  if (tls !== undefined) return listen === undefined ? {} : { entrypoints: { https: { listen } } };
  const port = url.protocol === 'http:' && url.port !== '' ? url.port : '8080';
  return { entrypoints: { http: { listen: listen ?? `127.0.0.1:${port}` } } };
}

async function loginOf(options: InitOptions): Promise<{ login: Written; secret?: string }> {
  const guess = options.githubClientId === undefined ? 'password' : 'github';
  const way = await given(options.login, 'how people log in: github or password', guess);
  if (way === 'github') {
    const clientId = await given(options.githubClientId, 'client id of the GitHub OAuth app', '');
    if (clientId === '')
      throw new Error('a login by GitHub needs the client id of an OAuth app; give --github-client-id');
    const users = options.allow ?? (await given(undefined, 'GitHub users to let in, or *', '')).split(/[\s,]+/);
    const secret = 'GITHUB_CLIENT_SECRET';
    const allow = { users: users.filter(Boolean) };
    return { login: { github: { clientId, clientSecret: { $env: secret }, allow } }, secret };
  }
  if (way !== 'password') throw new Error(`${way} is no way to log in; write github or password`);
  const user = await given(options.user, 'name of the first user', 'admin');
  const password = await newPassword(user);
  if (password.length < 8)
    throw new Error('the password must have at least 8 characters; without a terminal it is read from standard input');
  return { login: { password: { users: { [user]: { hash: await hashPassword(password) } } } } };
}
