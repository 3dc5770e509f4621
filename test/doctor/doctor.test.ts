import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import * as x509 from '@peculiar/x509';
import { type GatewayConfig, loadConfig } from '../../src/config.ts';
import { administratorsKnown } from '../../src/doctor/administrators.ts';
import { certificateFiles, certificatesInService } from '../../src/doctor/certificates.ts';
import { clientProfiles } from '../../src/doctor/client-profiles.ts';
import { clientsAtFront, clientsAtTrial } from '../../src/doctor/clients.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { portsFree, stateDirWritable } from '../../src/doctor/machine.ts';
import { network } from '../../src/doctor/network.ts';
import { everything } from '../support/everything.ts';
import { freePort } from '../support/free-port.ts';
import { httpsSite } from '../support/https-site.ts';
import { testGateway } from '../support/oauth-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const [command, ...args] = everything;

const configOf = (overrides: object): GatewayConfig =>
  loadConfig({ env: {}, overrides: { mcpServers: {}, ...overrides } });

async function site(listener: RequestListener): Promise<AsyncDisposable & { url: string; port: number }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function only(findings: readonly Finding[], verdict: Finding['verdict'], detail: RegExp): void {
  const found = findings.filter((finding) => finding.verdict === verdict);
  assert.ok(
    found.some((finding) => detail.test(finding.detail)),
    `${detail} is not among ${JSON.stringify(findings, null, 1)}`,
  );
}

test('every known client goes all the way to the tools of a trial of the gateway', async () => {
  const overrides = {
    auth: { login: { password: { users: {} } } },
    mcpServers: { all: { command, args, scopes: ['files'], allow: { users: ['nobody'] } } },
  };
  const findings = await clientsAtTrial(configOf(overrides));
  assert.deepEqual(
    findings.map(({ what }) => what),
    clientProfiles.map(({ name }) => `${name} at all`),
  );
  for (const { verdict, detail } of findings) {
    assert.equal(verdict, 'ok', detail);
    assert.match(detail, /^all the way to \d+ tools$/);
  }
});

test('where registration is closed each client is told so, and what to do', async () => {
  const overrides = {
    auth: { login: { password: { users: {} } }, registration: 'closed' },
    mcpServers: { all: { command, args } },
  };
  const findings = await clientsAtTrial(configOf(overrides));
  only(findings, 'fault', /^registration: it is closed; name this client in auth\.clients/);
});

/** What a proxy in front may do to what passes; a number answers at once with that status. */
interface Tamper {
  readonly request?: (req: IncomingMessage) => number | undefined;
  readonly response?: (answer: IncomingMessage, req: IncomingMessage) => void;
}

async function frontOf(tamper: Tamper): Promise<Finding[]> {
  let target: { host: string; port: string } | undefined;
  const pass = (req: IncomingMessage, res: ServerResponse) => {
    const status = tamper.request?.(req);
    if (status !== undefined) return res.writeHead(status, { 'content-type': 'text/html' }).end('<h1>no</h1>');
    const { method, url: path, headers } = req;
    const onward = request({ ...target, method, path, headers }, (answer) => {
      tamper.response?.(answer, req);
      res.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(res);
    });
    return req.pipe(onward);
  };
  await using front = await site(pass);
  await using at = await testGateway({ publicUrl: front.url, mcpServers: { one: { command: 'true' } } });
  const [entrypoint] = (await at.gateway.status()).entrypoints;
  const { hostname, port } = new URL(`http://${entrypoint?.address}`);
  target = { host: hostname, port };
  return await clientsAtFront(configOf({ publicUrl: front.url, mcpServers: { one: { command: 'true' } } }));
}

test('a front door that passes everything is passed by every client, and nothing registered stays', async () => {
  const findings = await frontOf({});
  assert.deepEqual(
    findings.filter(({ verdict }) => verdict !== 'ok'),
    [],
  );
  assert.equal(findings.length, clientProfiles.length + 1);
});

const tampers: readonly (readonly [title: string, tamper: Tamper, detail: RegExp])[] = [
  [
    'a proxy that eats the Authorization header',
    { request: ({ headers }) => void delete headers.authorization },
    /^first call: the Authorization header does not arrive; look at the proxy/,
  ],
  [
    'a proxy that eats WWW-Authenticate',
    { response: ({ headers }) => void delete headers['www-authenticate'] },
    /^discovery: 401 without WWW-Authenticate/,
  ],
  [
    'a proxy that eats CORS headers',
    { response: ({ headers }) => void delete headers['access-control-allow-origin'] },
    /^discovery: no Access-Control-Allow-Origin for a client in a web page/,
  ],
  [
    'a proxy that blocks a user agent',
    { request: ({ headers }) => (/openai/.test(headers['user-agent'] ?? '') ? 403 : undefined) },
    /^discovery: 403 instead of 401; .*block the user agent of ChatGPT/,
  ],
  [
    'a proxy that keeps /.well-known to itself',
    { request: ({ url }) => (url?.startsWith('/.well-known/') ? 404 : undefined) },
    /^resource metadata: 404 instead of 200 with JSON \(RFC 9728\); .*must pass this path/,
  ],
  [
    'another site than the gateway, as when DNS is wrong',
    { request: () => 200 },
    /^discovery: 200 instead of 401; what answers is not this gateway/,
  ],
  [
    'a proxy that blocks the login page',
    { request: ({ url }) => (url?.startsWith('/authorize') ? 503 : undefined) },
    /^authorization: the login page is 503/,
  ],
  [
    'a clock that is ten minutes ahead of the rest of the world',
    { response: ({ headers }) => void Object.assign(headers, { date: new Date(Date.now() - 600_000).toUTCString() }) },
    /^is (?:599|60\d) seconds ahead; turn on time synchronisation/,
  ],
];

for (const [title, tamper, detail] of tampers) {
  test(`check finds ${title}`, async () => only(await frontOf(tamper), 'fault', detail));
}

test('check finds a front door that nobody opens, and a name without an address', async () => {
  const port = await freePort();
  only(await clientsAtFront(configOf({ publicUrl: `http://127.0.0.1:${port}` })), 'warning', /ECONNREFUSED.*start the/);
  const auth = { login: { password: {} } };
  only(await network(configOf({ publicUrl: 'https://nowhere.invalid', auth })), 'fault', /has no address|could not be/);
});

test('check finds an issuer of certificates that is away, is none, or has another time', async () => {
  await using state = await temporaryDirectory();
  const directory = (url: string) =>
    network(
      configOf({
        publicUrl: 'https://127.0.0.1',
        stateDir: state.path,
        tls: { acme: { directory: url } },
        auth: { login: { password: {} } },
      }),
    );
  await using issuer = await httpsSite((_, res) =>
    res
      .writeHead(200, { date: new Date(Date.now() + 60_000).toUTCString() })
      .end(JSON.stringify({ newOrder: 'https://x/' })),
  );
  await using other = await httpsSite((_, res) => res.end('<h1>hello</h1>'));
  only(await directory(issuer.url), 'ok', /^answers$/);
  only(await directory(issuer.url), 'warning', /seconds behind/);
  only(await directory(other.url), 'fault', /is no ACME directory/);
  only(await directory(`https://127.0.0.1:${await freePort()}`), 'fault', /ECONNREFUSED.*tls\.acme/);
});

test('check finds an issuer that wants an account or lacks a profile, the fallback too', async () => {
  await using state = await temporaryDirectory();
  const meta = { externalAccountRequired: true, profiles: { classic: 'ninety days' } };
  await using issuer = await httpsSite((_, res) => res.end(JSON.stringify({ newOrder: 'https://x/', meta })));
  const eab = { kid: 'a', hmacKey: 'b' };
  for (const [acme, verdict, detail] of [
    [{ eab }, 'ok', /^answers$/],
    [{}, 'fault', /wants an account you have with it; set tls\.acme\.eab$/],
    [{ eab, profile: 'short' }, 'fault', /knows no profile short, only classic; correct tls\.acme\.profile$/],
    [{ eab, fallback: { directory: issuer.url } }, 'fault', /set tls\.acme\.fallback\.eab$/],
  ] as const) {
    const overrides = {
      publicUrl: 'https://127.0.0.1',
      stateDir: state.path,
      tls: { acme: { directory: issuer.url, ...acme } },
      auth: { login: { password: {} } },
    };
    only(await network(configOf(overrides)), verdict, detail);
  }
});

test('check finds hosts that no certificate is meant for', async () => {
  await using state = await temporaryDirectory();
  const router = (host: string) => ({ name: 'site', rule: `Host(\`${host}\`)`, service: 's', auth: false });
  const found = (acme: object, hosts: readonly string[]) =>
    certificateFiles(
      configOf({
        publicUrl: 'https://gw.example.test',
        stateDir: state.path,
        tls: { acme },
        auth: { login: { password: {} } },
        services: { s: { servers: [{ url: 'http://127.0.0.1:1' }] } },
        routers: hosts.map(router),
      }),
    );
  assert.deepEqual(found({}, ['a.example.test']), []);
  only(found({}, ['*.x.example.test']), 'fault', /issuers give wildcards by dns-01 alone/);
  assert.deepEqual(found({ challenge: 'dns-01', dnsCommand: ['true'] }, ['*.x.example.test']), []);
  only(found({ domains: ['gw.example.test'] }, ['a.example.test']), 'fault', /tls\.acme\.domains leaves it out/);
  assert.deepEqual(found({ domains: ['gw.example.test', 'a.x.example.test'] }, ['*.x.example.test']), []);
  only(found({}, ['192.0.2.1']), 'fault', /no issuer certifies it/);
});

test('check tells of the certificates that the running gateway orders', () => {
  const day = 86_400_000;
  const at = (days: number) => new Date(Date.now() + days * day).toISOString();
  const nextTry = at(0);
  const findings = certificatesInService([
    { host: 'a', notAfter: at(60), daysLeft: 60, renewAt: at(30) },
    { host: 'b' },
    { host: 'c', problem: 'no; do this', nextTry },
    { host: 'd', notAfter: at(5), daysLeft: 5, renewAt: at(-25), problem: 'no; do this', nextTry },
    { host: 'e', notAfter: at(-1), daysLeft: -1, renewAt: at(-30), problem: 'no; do this', nextTry },
    { host: 'of a file', notAfter: at(5), daysLeft: 5 },
  ]);
  assert.deepEqual(
    findings.map(({ what, verdict }) => `${what} ${verdict}`),
    ['a ok', 'b warning', 'c fault', 'd warning', 'e fault'].map((text) => `certificate of ${text}`),
  );
  only(findings, 'ok', /^60 days left, until 20.*, renewed from 20/);
  only(findings, 'warning', /^5 days left, until 20.*, and not renewed: no; do this; next try 20/);
});

test('check finds a GitHub app with another callback or another secret, and never tells the secret', async () => {
  for (const [error, verdict, detail] of [
    ['bad_verification_code', 'ok', /callback URL must be http:\/\/127\.0\.0\.1:1\/callback/],
    ['redirect_uri_mismatch', 'fault', /has another callback URL; set it to http:\/\/127\.0\.0\.1:1\/callback/],
    ['incorrect_client_credentials', 'fault', /does not know this client id with this secret/],
  ] as const) {
    let sent = '';
    await using github = await site(async (req, res) => {
      for await (const chunk of req) sent += String(chunk);
      res.end(JSON.stringify({ error }));
    });
    const login = { github: { clientId: 'Iv1', clientSecret: 'hush', webUrl: github.url, allow: { users: ['*'] } } };
    const findings = await network(configOf({ publicUrl: 'http://127.0.0.1:1', auth: { login } }));
    only(findings, verdict, detail);
    assert.equal(new URLSearchParams(sent).get('redirect_uri'), 'http://127.0.0.1:1/callback');
    assert.ok(!JSON.stringify(findings).includes('hush'));
  }
});

test('check finds a port that is taken, and a state directory that is open to others or none', async () => {
  await using taken = await site((_, res) => res.end());
  const listen = `127.0.0.1:${taken.port}`;
  only(await portsFree(configOf({ entrypoints: { http: { listen } } })), 'warning', /another program listens there/);
  await using state = await temporaryDirectory();
  const open = join(state.path, 'open');
  mkdirSync(open, { mode: 0o755 });
  writeFileSync(join(state.path, 'file'), '');
  only(stateDirWritable(configOf({ stateDir: open })), 'warning', /chmod 700/);
  only(stateDirWritable(configOf({ stateDir: state.path })), 'ok', /^writable$/);
  only(stateDirWritable(configOf({ stateDir: join(state.path, 'file') })), 'fault', /is no directory/);
  only(stateDirWritable(configOf({ stateDir: join(state.path, 'later') })), 'ok', /will be made/);
});

test('check finds certificates that expire, have expired, cannot be read or cover too little', async () => {
  await using directory = await temporaryDirectory();
  const day = 86_400_000;
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const pair = async (name: string, from: number, to: number) => {
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      keys,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() + from * day),
      notAfter: new Date(Date.now() + to * day),
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'a.example' }])],
    });
    const files = { cert: join(directory.path, `${name}.pem`), key: join(directory.path, `${name}.key`) };
    writeFileSync(files.cert, certificate.toString('pem'));
    const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
    writeFileSync(files.key, `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`);
    return files;
  };
  const files = [
    await pair('good', -1, 90),
    await pair('ending', -80, 10.5),
    await pair('over', -90, -1),
    await pair('early', 2, 90),
    { cert: 'missing.pem', key: 'missing.key' },
  ];
  const auth = { login: { password: {} } };
  const findings = certificateFiles(configOf({ publicUrl: 'https://b.example', tls: { files }, auth }));
  assert.deepEqual(
    findings.map(({ verdict, detail }) => `${verdict} ${detail.split(/[\d,;]/)[0]?.trim()}`),
    [
      'ok good until',
      'warning expires in',
      'fault expired on',
      'fault is good only from',
      findings[4] && `${findings[4].verdict} ${findings[4].detail.split(/[\d,;]/)[0]?.trim()}`,
      'fault no file of tls.files covers it',
    ],
  );
  assert.match(findings[4]?.detail ?? '', /ENOENT/);
});

test('check finds administrators who cannot log in, each with the reason', () => {
  const users = { alice: { hash: 'x' } };
  const github = { clientId: 'c', clientSecret: 's', allow: { users: ['octocat'] } };
  const told = (admins: string[], login: object) => administratorsKnown(configOf({ auth: { admins, login } }));
  const details = (admins: string[], login: object) =>
    told(admins, login).map(({ verdict, detail }) => `${verdict}: ${detail}`);
  assert.deepEqual(told([], { password: { users } }), []);
  assert.deepEqual(details(['Alice', 'password:alice'], { password: { users } }), [
    'ok: Alice may open /console once logged in',
    'ok: password:alice may open /console once logged in',
  ]);
  for (const [admin, login, detail] of [
    ['bob', { password: { users } }, /none of auth\.login\.password\.users.*user add bob/],
    ['alice', { password: { users }, github }, /write password:alice or github:alice/],
    ['google:alice', { password: { users } }, /no way to log in called google; there is password/],
    ['octodog', { github }, /not let in by auth\.login\.github\.allow/],
    ['alice', {}, /the only user is admin/],
    ['*', { github }, /makes everybody who can log in an administrator/],
  ] as const)
    only(told([admin], login), 'warning', detail);
  only(told(['octocat'], { github }), 'ok', /octocat/);
  only(told(['admin'], {}), 'ok', /admin/);
});
