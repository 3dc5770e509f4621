import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { request as plainRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type ConnectionOptions, connect, createSecureContext, type TLSSocket } from 'node:tls';
import { silent } from '../../src/log.ts';
import { peerAddress } from '../../src/router/peer.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import type { Certificate } from '../../src/tls/certificate.ts';
import { certificateTable } from '../../src/tls/certificate-table.ts';
import { tlsConfig } from '../../src/tls/config.ts';
import { internalAuthority } from '../../src/tls/internal-authority.ts';
import { startStandIn } from '../support/acme-stand-in.ts';
import { certified, type HttpsFront, httpsFront } from '../support/https-front.ts';
import { keepCertificates } from '../support/kept-certificates.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const hosts = ['one.example.test', 'two.example.test'];

async function onFiles(directory: string, names: readonly string[][]) {
  const files: { cert: string; key: string }[] = [];
  const made: Certificate[] = [];
  let ca = '';
  for (const [index, list] of names.entries()) {
    const { certificate, rootFile } = await certified(directory, list);
    const file = { cert: join(directory, `${index}.pem`), key: join(directory, `${index}.key`) };
    await writeFile(file.cert, certificate.chain);
    await writeFile(file.key, certificate.key);
    files.push(file);
    made.push(certificate);
    ca = await readFile(rootFile, 'utf8');
  }
  return { files, made, ca };
}

async function handshake(front: HttpsFront, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: front.port, ...options });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}

async function serialOf(front: HttpsFront, servername: string, ca: string): Promise<string> {
  const socket = await handshake(front, { servername, ca });
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

test('each host shows its own certificate, and a changed file is reread while connections stay', async () => {
  await using directory = await temporaryDirectory();
  const { files, made, ca } = await onFiles(
    directory.path,
    hosts.map((host) => [host]),
  );
  await using front = await httpsFront({ tls: { files }, hosts });
  for (const [index, host] of hosts.entries()) {
    assert.equal(await serialOf(front, host, ca), made[index]?.serial);
  }
  const open = await handshake(front, { servername: 'one.example.test', ca, ALPNProtocols: ['http/1.1'] });
  const { certificate } = await certified(directory.path, ['one.example.test']);
  const [first] = files;
  assert.ok(first);
  // As renewal tools do it: each file whole, one after the other.
  for (const [file, text] of [
    [first.key, certificate.key],
    [first.cert, certificate.chain],
  ] as const) {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  }
  while ((await serialOf(front, 'one.example.test', ca)) !== certificate.serial)
    await new Promise((resolve) => setTimeout(resolve, 50));
  open.write('GET / HTTP/1.1\r\nhost: one.example.test\r\n\r\n');
  const [answer] = await once(open, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 200 /);
  open.destroy();
});

test('files behind a link are reread when it is swapped, as orchestrators do', async () => {
  await using directory = await temporaryDirectory();
  const place = (name: string) => join(directory.path, name);
  const generation = async (name: string) => {
    const { certificate, rootFile } = await certified(directory.path, ['one.example.test']);
    await mkdir(place(name));
    await writeFile(join(place(name), 'tls.crt'), certificate.chain);
    await writeFile(join(place(name), 'tls.key'), certificate.key);
    return { serial: certificate.serial, ca: await readFile(rootFile, 'utf8') };
  };
  const { serial, ca } = await generation('first');
  await symlink('first', place('current'));
  const files = [{ cert: place('current/tls.crt'), key: place('current/tls.key') }];
  await using front = await httpsFront({ tls: { files }, hosts });
  assert.equal(await serialOf(front, 'one.example.test', ca), serial);
  const second = await generation('second');
  await symlink('second', place('next'));
  await rename(place('next'), place('current'));
  while ((await serialOf(front, 'one.example.test', ca)) !== second.serial)
    await new Promise((resolve) => setTimeout(resolve, 50));
});

test('a file that cannot be used is told with its name at the start', async () => {
  await using directory = await temporaryDirectory();
  const { files } = await onFiles(
    directory.path,
    hosts.map((host) => [host]),
  );
  const crossed = [{ cert: files[0]?.cert, key: files[1]?.key }];
  await assert.rejects(
    httpsFront({ tls: { files: crossed }, hosts }),
    /0\.pem.*the key belongs to another certificate/,
  );
});

test('the local authority makes certificates for names and addresses, and keeps its root', async () => {
  await using directory = await temporaryDirectory();
  const roots: string[] = [];
  for (let run = 0; run < 2; run++) {
    const tls = { internal: true };
    await using front = await httpsFront({ tls, hosts: ['localhost', '127.0.0.1'], stateDir: directory.path });
    const ca = await readFile(front.tls.rootFile ?? '', 'utf8');
    roots.push(ca);
    for (const host of ['localhost', '127.0.0.1']) {
      const answer = await get(front, host, { ca, ...(host === 'localhost' && { servername: host }) });
      assert.deepEqual(answer, { status: 200, body: host });
    }
  }
  assert.equal(roots[0], roots[1]);
});

test('the local authority renews by the clock on the wall, and takes another root before its own ends', async (t) => {
  await using directory = await temporaryDirectory();
  t.mock.timers.enable({ apis: ['setInterval'] });
  const started = Date.now();
  let now = started;
  t.mock.method(Date, 'now', () => now);
  const day = 86_400_000;
  const made: Certificate[] = [];
  let news = Promise.withResolvers<void>();
  using authority = await internalAuthority(directory.path, ['localhost'], silent, ([certificate]) => {
    if (certificate) made.push(certificate);
    news.resolve();
  });
  const root = () => readFile(authority.rootFile, 'utf8');
  const first = await root();
  for (const { days, anew } of [
    { days: 11, anew: false },
    { days: 3640, anew: true },
  ]) {
    news = Promise.withResolvers();
    // As a laptop that slept: the time has gone on, and a timer has run once.
    now = started + days * day;
    t.mock.timers.tick(60_000);
    await news.promise;
    assert.ok((made.at(-1)?.notAfter ?? 0) > Date.now() + 29 * day);
    assert.equal((await root()) !== first, anew);
  }
  assert.equal(made.length, 3);
});

test('RFC 6066 §3: a name that is not served gets no certificate of another', async () => {
  await using directory = await temporaryDirectory();
  const { files, ca } = await onFiles(directory.path, [['one.example.test'], ['*.w.example.test']]);
  await using front = await httpsFront({ tls: { files }, hosts });
  const covered = await handshake(front, { servername: 'a.w.example.test', ca });
  covered.destroy();
  const strange = ['other.example.test', 'a.b.w.example.test', 'w.example.test', 'xone.example.test', undefined];
  for (const servername of strange) {
    const refused = handshake(front, { ca, rejectUnauthorized: false, ...(servername && { servername }) });
    // An alert tells it apart from a connection that broke.
    await assert.rejects(refused, { code: 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE' }, `${servername}`);
  }
});

test('RFC 9110 §15.5.20: a host the connection’s certificate does not cover is 421, on HTTP/1.1 and HTTP/2', async () => {
  await using directory = await temporaryDirectory();
  const { files, ca } = await onFiles(
    directory.path,
    hosts.map((host) => [host]),
  );
  await using front = await httpsFront({ tls: { files }, hosts });
  const options = { ca, servername: 'one.example.test' };
  assert.deepEqual(await get(front, 'one.example.test', options), { status: 200, body: 'one.example.test' });
  assert.equal((await get(front, 'two.example.test', options)).status, 421);
  const session = connectHttp2(`https://127.0.0.1:${front.port}`, options);
  for (const [host, status] of [
    ['one.example.test', 200],
    ['two.example.test', 421],
  ] as const) {
    const stream = session.request({ ':path': '/', ':authority': host });
    const [headers] = await once(stream, 'response');
    assert.equal(headers[':status'], status);
    stream.close();
  }
  // RFC 9113 §6.5.2: only so many streams at once are offered; RFC 8441 §3: CONNECT is not extended.
  assert.deepEqual(
    [session.remoteSettings.maxConcurrentStreams, session.remoteSettings.enableConnectProtocol],
    [100, false],
  );
  session.destroy();
});

test('RFC 9110 §15.5.20: a client that names no host is held to what the certificate it saw covers', async () => {
  await using directory = await temporaryDirectory();
  await using front = await httpsFront({
    tls: { internal: true },
    hosts: ['localhost', '127.0.0.1', '[::1]'],
    stateDir: directory.path,
  });
  const options = { ca: await readFile(front.tls.rootFile ?? '', 'utf8'), servername: '' };
  for (const [host, status] of [
    ['127.0.0.1', 200],
    ['[::1]', 200],
    ['localhost:8443', 200],
    ['two.example.test', 421],
    ['127.0.0.2', 421],
  ] as const)
    assert.equal((await get(front, host, options)).status, status, host);
});

test('another configuration takes over with every certificate in place', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  const names = Array.from({ length: 5 }, (_, index) => `h${index}.example.test`);
  const acme = { directory: issuer.directory, caFile: issuer.caFile };
  await using first = await keepCertificates(issuer, { hosts: names, store });
  await first.look();
  await using front = await httpsFront({ tls: { acme }, hosts: names, store });
  const shown = async (host: string) => {
    const socket = await handshake(front, { servername: host, rejectUnauthorized: false });
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const before = await Promise.all(names.map(shown));
  const next = tlsConfig.parse({ acme: { ...acme, renewBefore: '20d' } });
  const taking = front.tls.use(next, [...names, 'new.example.test']);
  const meanwhile = await Promise.all(names.map(shown));
  await taking;
  assert.deepEqual([meanwhile, await Promise.all(names.map(shown))], [before, before]);
});

test('behind a PROXY header TLS is what it is without: names, protocols, 421 and the client’s address', async () => {
  await using directory = await temporaryDirectory();
  const { files, ca } = await onFiles(
    directory.path,
    hosts.map((host) => [host]),
  );
  await using front = await httpsFront({
    tls: { files },
    hosts,
    proxyProtocol: true,
    handler: ({ host, req }) => ({ status: 200, body: `${host} ${peerAddress(req.socket)}` }),
  });
  const behind = async () => {
    const socket = connectTcp(front.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('PROXY TCP4 203.0.113.7 192.0.2.1 5000 443\r\n');
    return socket;
  };
  for (const protocol of ['h2', 'http/1.1']) {
    const options = { servername: 'one.example.test', ca, ALPNProtocols: [protocol] };
    const socket = connect({ socket: await behind(), ...options });
    await once(socket, 'secureConnect');
    assert.equal(socket.alpnProtocol, protocol);
    if (protocol === 'h2') {
      const session = connectHttp2('https://one.example.test', { createConnection: () => socket });
      for (const [host, status] of [
        ['one.example.test', 200],
        ['two.example.test', 421],
      ] as const) {
        const stream = session.request({ ':path': '/', ':authority': host });
        const [headers] = await once(stream, 'response');
        assert.equal(headers[':status'], status);
        const body = Buffer.concat(await stream.toArray()).toString();
        if (status === 200) assert.equal(body, 'one.example.test 203.0.113.7');
      }
      session.destroy();
    }
    socket.destroy();
  }
  const strange = connect({ socket: await behind(), servername: 'other.example.test', ca });
  await assert.rejects(once(strange, 'secureConnect'), { code: 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE' });
});

test('RFC 7301 §3.2: HTTP/2 is preferred, HTTP/1.1 spoken, anything else refused', async () => {
  await using directory = await temporaryDirectory();
  const { files, ca } = await onFiles(directory.path, [['one.example.test']]);
  await using front = await httpsFront({ tls: { files }, hosts });
  const cases = [
    { offer: ['http/1.1', 'h2'], got: 'h2' },
    { offer: ['http/1.1'], got: 'http/1.1' },
    { offer: [], got: false },
  ] as const;
  for (const { offer, got } of cases) {
    const socket = await handshake(front, { servername: 'one.example.test', ca, ALPNProtocols: [...offer] });
    assert.equal(socket.alpnProtocol, got);
    socket.destroy();
  }
  for (const offer of ['imap', 'acme-tls/1'])
    await assert.rejects(handshake(front, { servername: 'one.example.test', ca, ALPNProtocols: [offer] }));
});

test('RFC 8996 §2: TLS 1.1 is not spoken', async () => {
  await using directory = await temporaryDirectory();
  const { files, ca } = await onFiles(directory.path, [['one.example.test']]);
  await using front = await httpsFront({ tls: { files }, hosts });
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  await assert.rejects(handshake(front, { servername: 'one.example.test', ca, ...old }));
});

test('the operator’s own certificate goes before that of the issuer, which goes before the local one, until it has ended', () => {
  const table = certificateTable();
  const day = 86_400_000;
  const of = (serial: string, days: number): Certificate => ({
    names: ['one.example.test'],
    notBefore: 0,
    notAfter: Date.now() + days * day,
    issuer: '',
    serial,
    chain: '',
    key: '',
    context: createSecureContext(),
  });
  table.set('internal', [of('internal', 30)]);
  table.set('acme', [of('acme', 6)]);
  assert.equal(table.find('one.example.test')?.serial, 'acme');
  table.set('files', [of('short', 1), of('long', 2)]);
  assert.equal(table.find('one.example.test')?.serial, 'long');
  table.set('files', [of('ended', -1)]);
  assert.equal(table.find('one.example.test')?.serial, 'acme');
  table.set('acme', []);
  table.set('internal', []);
  assert.equal(table.find('one.example.test')?.serial, 'ended');
});

test('RFC 9325 §3.4: the keys of session tickets change while the gateway runs, for all gateways on the store alike', async (t) => {
  await using directory = await temporaryDirectory();
  const { files, ca } = await onFiles(directory.path, [['one.example.test']]);
  await using store = memoryStore();
  t.mock.timers.enable({ apis: ['setInterval'] });
  const options = { servername: 'one.example.test', ca, maxVersion: 'TLSv1.2' } as const;
  await using front = await httpsFront({ tls: { files }, hosts, store });
  await using other = await httpsFront({ tls: { files }, hosts, store });
  const socket = connect({ host: '127.0.0.1', port: front.port, ...options });
  const [session] = await once(socket, 'session');
  socket.destroy();
  const resumed = async (at: HttpsFront) => {
    const again = await handshake(at, { ...options, session });
    const reused = again.isSessionReused();
    again.destroy();
    return reused;
  };
  assert.deepEqual([await resumed(front), await resumed(other)], [true, true]);
  // As twelve hours would.
  await store.delete('tls-ticket-keys:current');
  t.mock.timers.tick(60_000);
  await setImmediate();
  assert.deepEqual([await resumed(front), await resumed(other)], [false, false]);
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`RFC 5077 §3.1: a ${version} session is resumed after a restart, and without the store it is not`, async () => {
    await using directory = await temporaryDirectory();
    const { files, ca } = await onFiles(directory.path, [['one.example.test']]);
    await using store = memoryStore();
    const options = { servername: 'one.example.test', ca, minVersion: version, maxVersion: version };
    let session: Buffer | undefined;
    {
      await using front = await httpsFront({ tls: { files }, hosts, store });
      const socket = connect({ host: '127.0.0.1', port: front.port, ...options });
      [session] = await once(socket, 'session');
      socket.destroy();
    }
    assert.ok(session);
    const resumed: boolean[] = [];
    for (const kept of [store, memoryStore()]) {
      await using front = await httpsFront({ tls: { files }, hosts, store: kept });
      const socket = await handshake(front, { ...options, session });
      resumed.push(socket.isSessionReused());
      socket.destroy();
    }
    assert.deepEqual(resumed, [true, false]);
  });
}

test('RFC 9110 §15.4.9: plain HTTP is sent to https with method, path and query, and only for hosts that are served', async () => {
  await using directory = await temporaryDirectory();
  const { files } = await onFiles(directory.path, [['one.example.test']]);
  await using front = await httpsFront({ tls: { files }, hosts: ['one.example.test'] });
  const cases = [
    { method: 'GET', host: 'one.example.test', status: 301, location: 'https://one.example.test:8443/a%2Fb?c=d' },
    { method: 'POST', host: 'ONE.example.test.:80', status: 308, location: 'https://one.example.test:8443/a%2Fb?c=d' },
    { method: 'GET', host: 'evil.example.test', status: 404, location: undefined },
  ];
  for (const { method, host, status, location } of cases) {
    const req = plainRequest({
      port: front.plainPort,
      host: '127.0.0.1',
      method,
      path: '/a%2Fb?c=d',
      headers: { host },
    });
    const [res] = await once(req.end(), 'response');
    assert.deepEqual({ status: res.statusCode, location: res.headers.location }, { status, location });
    res.destroy();
  }
});

async function get(front: HttpsFront, host: string, options: ConnectionOptions) {
  const req = request({ ...options, host: '127.0.0.1', port: front.port, agent: false, headers: { host } }).end();
  const [res] = await once(req, 'response');
  const body = Buffer.concat(await res.toArray()).toString();
  return { status: res.statusCode as number, body };
}
