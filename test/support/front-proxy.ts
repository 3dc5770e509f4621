/** A real proxy in front of the gateway, run by the very snippet that docs/forward-auth.md gives its users. */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { connect as tls } from 'node:tls';
import { freePort } from './free-port.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const document = readFileSync(join(import.meta.dirname, '../../docs/forward-auth.md'), 'utf8');

/** The fenced block in this language. */
export function snippet(language: string): string {
  const found = new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'm').exec(document)?.[1];
  if (found === undefined) throw new Error(`docs/forward-auth.md has no ${language} snippet`);
  return found;
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface FrontProxy extends AsyncDisposable {
  /** A request to https://app.example.com with this target, character for character. */
  send(target: string, headers?: Readonly<Record<string, string>>, body?: string): Promise<Answered>;
}

export type ProxyName = 'nginx' | 'caddy';

/** Why the proxy cannot be run here, or undefined where it can. */
export function unavailable(name: ProxyName): string | undefined {
  if (spawnSync(name, [name === 'nginx' ? '-v' : 'version']).error === undefined) return undefined;
  return `${name} is not installed; on Debian: apt-get install ${name}`;
}

/** `gateway` and `service` as `host:port`. */
export async function frontProxy(name: ProxyName, gateway: string, service: string): Promise<FrontProxy> {
  await using opening = new AsyncDisposableStack();
  const directory = opening.use(await temporaryDirectory());
  const port = await freePort();
  const site = snippet(name === 'nginx' ? 'nginx' : 'caddyfile')
    .replaceAll('127.0.0.1:8080', gateway)
    .replaceAll('127.0.0.1:3000', service);
  const child = (name === 'nginx' ? nginx : caddy)(directory.path, site, port);
  opening.defer(async () => {
    const gone = once(child, 'close');
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await gone;
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => (said += text));
  await listening(port, child, () => said);
  // Caddy listens before its certificate is made.
  await answering(port, () => said);
  const running = opening.move();
  return {
    send: (target, headers = {}, body) => send(port, target, headers, body),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function nginx(directory: string, site: string, port: number): ChildProcess {
  const [certificate, key] = [join(directory, 'site.crt'), join(directory, 'site.key')];
  const self = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=app.example.com'.split(' ');
  execFileSync('openssl', ['req', ...self, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  const placed = site
    .replace('listen 443 ssl;', `listen 127.0.0.1:${port} ssl;`)
    .replace('/etc/ssl/app.example.com.crt', certificate)
    .replace('/etc/ssl/app.example.com.key', key);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${directory}/${kind};`,
  );
  const file = join(directory, 'nginx.conf');
  const main = `daemon off; master_process off; pid ${directory}/nginx.pid; error_log stderr; events {}`;
  writeFileSync(file, `${main}\nhttp {\naccess_log off;\n${temporary.join('\n')}\n${placed}\n}\n`);
  return spawn('nginx', ['-c', file, '-p', directory, '-e', 'stderr'], { stdio: ['ignore', 'pipe', 'pipe'] });
}

function caddy(directory: string, site: string, port: number): ChildProcess {
  const file = join(directory, 'Caddyfile');
  const own = `admin off\nlocal_certs\nskip_install_trust\nauto_https disable_redirects\nhttps_port ${port}\ndefault_bind 127.0.0.1`;
  writeFileSync(file, `{\n${own}\n}\n${site}`);
  const env = { ...process.env, HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory };
  const args = ['run', '--config', file, '--adapter', 'caddyfile'];
  return spawn('caddy', args, { stdio: ['ignore', 'pipe', 'pipe'], env });
}

async function listening(port: number, child: ChildProcess, said: () => string): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    if (child.exitCode !== null) throw new Error(`the proxy ended: ${said()}`);
    const socket = connect(port, '127.0.0.1');
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return;
    await after(25);
  }
  throw new Error(`the proxy does not listen: ${said()}`);
}

async function answering(port: number, said: () => string): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    const socket = tls({ host: '127.0.0.1', port, servername: 'app.example.com', rejectUnauthorized: false });
    const secure = await once(socket, 'secureConnect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (secure) return;
    await after(25);
  }
  throw new Error(`the proxy makes no TLS connection: ${said()}`);
}

function send(
  port: number,
  target: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      path: target,
      method: body === undefined ? 'GET' : 'POST',
      headers: { host: 'app.example.com', ...headers },
      servername: 'app.example.com',
      // The certificate is made for this run alone.
      rejectUnauthorized: false,
      agent: false,
    };
    const outgoing = request(options, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => (text += part));
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
