/** A real ACME issuer on loopback: Debian's pebble, with its DNS helper, for which every name is 127.0.0.1. */

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';

export interface Pebble extends AsyncDisposable {
  readonly directory: string;
  /** PEM file of the authority the issuer's own server is trusted by. */
  readonly caFile: string;
  /** Where the issuer looks for proofs. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** Program and arguments that set a record of the DNS helper. */
  readonly dnsCommand: readonly string[];
  /** Has the DNS helper do something: `set-servfail` for a host, say. */
  dns(what: string, body: object): Promise<void>;
  /** PEM of the root that the certificates are trusted by; another after each start. */
  root(): Promise<string>;
  /** Forgets all accounts and orders, as its state is in memory. */
  restart(): Promise<void>;
  pause(): void;
  resume(): void;
}

export interface PebbleOptions {
  /** Percent of nonces refused. */
  readonly badNonces?: number;
  /** Seconds. */
  readonly validity?: number;
  readonly blocked?: readonly string[];
  readonly eab?: { readonly kid: string; readonly hmacKey: string };
}

export const noPebble =
  spawnSync('pebble', ['-version']).error !== undefined && 'pebble is missing: apt-get install pebble';

export async function startPebble(options: PebbleOptions = {}): Promise<Pebble> {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-gateway-pebble-'));
  const file = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '2',
    '-subj',
    '/CN=test authority',
    '-addext',
    'keyUsage=critical,keyCertSign',
  );
  openssl('req', ...key, '-keyout', 'srv.key', '-out', 'srv.csr', '-subj', '/CN=localhost');
  writeFileSync(file('ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n');
  openssl(
    'x509',
    '-req',
    '-in',
    'srv.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    'ext',
    '-out',
    'srv.pem',
  );
  const [listen = 0, manage = 0, httpPort = 0, tlsPort = 0, dns = 0, dnsManage = 0] = await freePorts(6);
  const config = {
    listenAddress: `127.0.0.1:${listen}`,
    managementListenAddress: `127.0.0.1:${manage}`,
    certificate: file('srv.pem'),
    privateKey: file('srv.key'),
    httpPort,
    tlsPort,
    ocspResponderURL: '',
    externalAccountBindingRequired: options.eab !== undefined,
    ...(options.eab && { externalAccountMACKeys: { [options.eab.kid]: options.eab.hmacKey } }),
    certificateValidityPeriod: options.validity ?? 90 * 86_400,
    domainBlocklist: options.blocked ?? [],
  };
  writeFileSync(file('pebble.json'), JSON.stringify({ pebble: config }));
  const helper = spawn(
    'pebble-challtestsrv',
    [
      '-defaultIPv4',
      '127.0.0.1',
      '-defaultIPv6',
      '',
      '-dns01',
      `127.0.0.1:${dns}`,
      '-http01',
      '',
      '-https01',
      '',
      '-tlsalpn01',
      '',
      '-management',
      `127.0.0.1:${dnsManage}`,
    ],
    { stdio: 'ignore' },
  );
  writeFileSync(file('dns.mjs'), dnsProgram(dnsManage));
  const agent = new Agent({ connect: { ca: readFileSync(file('ca.pem'), 'utf8') } });
  const url = `https://localhost:${listen}/dir`;
  const start = () =>
    spawn('pebble', ['-config', file('pebble.json'), '-dnsserver', `127.0.0.1:${dns}`], {
      stdio: 'ignore',
      env: {
        ...process.env,
        PEBBLE_VA_NOSLEEP: '1',
        PEBBLE_AUTHZREUSE: '0',
        PEBBLE_WFE_NONCEREJECT: String(options.badNonces ?? 0),
      },
    });
  let pebble = start();
  const end = async (process: typeof pebble) => {
    const closed = new Promise((resolve) => process.once('close', resolve));
    process.kill('SIGKILL');
    await closed;
  };
  await answering(url, agent);
  return {
    directory: url,
    caFile: file('ca.pem'),
    httpPort,
    tlsPort,
    dnsCommand: [process.execPath, file('dns.mjs')],
    async dns(what, body) {
      const answer = await request(`http://127.0.0.1:${dnsManage}/${what}`, {
        method: 'POST',
        body: JSON.stringify(body),
      });
      await answer.body.dump();
    },
    async root() {
      const answer = await request(`https://localhost:${manage}/roots/0`, { dispatcher: agent });
      return await answer.body.text();
    },
    async restart() {
      await end(pebble);
      pebble = start();
      await answering(url, agent);
    },
    pause: () => void pebble.kill('SIGSTOP'),
    resume: () => void pebble.kill('SIGCONT'),
    async [Symbol.asyncDispose]() {
      await agent.destroy();
      await Promise.all([end(pebble), end(helper)]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A dnsCommand such as operators write: `set RECORD VALUE`, `clear RECORD VALUE`. */
function dnsProgram(port: number): string {
  return `const [verb, record, value] = process.argv.slice(2);
const url = 'http://127.0.0.1:${port}/' + (verb === 'set' ? 'set-txt' : 'clear-txt');
const answer = await fetch(url, { method: 'POST', body: JSON.stringify({ host: record + '.', value }) });
if (!answer.ok) throw new Error('DNS answers ' + answer.status);
`;
}

async function answering(url: string, dispatcher: Agent): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const up = await request(url, { dispatcher }).then(
      ({ body }) => body.dump().then(() => true),
      () => false,
    );
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('pebble does not answer');
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
