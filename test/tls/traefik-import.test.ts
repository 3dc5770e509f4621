import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { memoryStore } from '../../src/store/memory-store.ts';
import { importTraefik } from '../../src/tls/acme/traefik-import.ts';
import type { Certificate } from '../../src/tls/certificate.ts';
import { certified, httpsFront } from '../support/https-front.ts';
import { runProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const registration = { uri: 'https://acme-v02.api.letsencrypt.org/acme/acct/1' };
const entryOf = ({ chain, key, names }: Certificate) => ({
  domain: { main: names[0], sans: names.slice(1) },
  certificate: base64(chain),
  key: base64(key),
  Store: 'default',
});

test('what Traefik has is served without an order, each name of a certificate by itself', async () => {
  await using directory = await temporaryDirectory();
  const hosts = ['a.example.test', '*.b.example.test'];
  const { certificate, rootFile } = await certified(directory.path, hosts);
  await using store = memoryStore();
  const text = JSON.stringify({ le: { Account: null, Certificates: [entryOf(certificate)] } });
  assert.deepEqual(await importTraefik(text, store, Date.now()), { hosts, accounts: [], left: [] });
  // Nothing listens there: no order is possible.
  const acme = { directory: 'https://127.0.0.1:1/directory', caFile: rootFile, domains: ['a.example.test'] };
  await using front = await httpsFront({ tls: { acme }, hosts, store });
  for (;;) {
    const socket = connect({
      host: '127.0.0.1',
      port: front.port,
      servername: 'a.example.test',
      rejectUnauthorized: false,
    });
    const serial = await new Promise((resolve) => {
      socket.once('secureConnect', () => resolve(socket.getPeerCertificate().serialNumber));
      socket.once('error', () => resolve(undefined));
    });
    socket.destroy();
    if (serial === undefined) continue;
    assert.equal(serial, certificate.serial);
    break;
  }
});

for (const { kind, der } of [
  {
    kind: 'rsa',
    der: () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'der', type: 'pkcs1' }),
  },
  {
    kind: 'ec',
    der: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'der', type: 'sec1' }),
  },
]) {
  test(`an account with a key of kind ${kind} is taken over once`, async () => {
    await using store = memoryStore();
    const Account = {
      Email: 'ops@example.test',
      Registration: registration,
      PrivateKey: der().toString('base64'),
      KeyType: '4096',
    };
    const text = JSON.stringify({ le: { Account, Certificates: null } });
    assert.deepEqual((await importTraefik(text, store, Date.now())).accounts, [registration.uri]);
    assert.deepEqual((await importTraefik(text, store, Date.now())).accounts, []);
    const kept: unknown[] = [];
    for await (const key of store.keys('acme-account:')) kept.push(await store.get(key));
    const [{ url, key } = { url: '', key: '' }] = kept as { url: string; key: string }[];
    assert.equal(url, registration.uri);
    assert.match(key, /^-----BEGIN PRIVATE KEY-----/);
  });
}

test('entries that cannot be used are told and the others taken', async () => {
  await using directory = await temporaryDirectory();
  const { certificate } = await certified(directory.path, ['a.example.test']);
  const { certificate: other } = await certified(directory.path, ['b.example.test']);
  await using store = memoryStore();
  const crossed = { certificate: base64(certificate.chain), key: base64(other.key) };
  const account = { Registration: registration, PrivateKey: 'AAAA' };
  const strange = { Registration: { uri: 'https://ca.example.test/1' }, PrivateKey: 'AAAA' };
  const text = JSON.stringify({
    le: { Account: account, Certificates: [crossed, {}, { certificate: 'x', key: 'y' }, entryOf(other)] },
    own: { Account: strange, Certificates: [] },
  });
  const { hosts, accounts, left } = await importTraefik(text, store, Date.now());
  assert.deepEqual([hosts, accounts, left.length], [['b.example.test'], [], 5]);
  assert.doesNotMatch(left.join(), /PRIVATE|AAAA/);
  const late = await importTraefik(text, store, certificate.notAfter + 1);
  assert.deepEqual(late.hosts, []);
});

for (const text of [
  '',
  '[]',
  '{"le":[]}',
  '{"mcpServers":{}}',
  '{"le":{"Certificates":[1]}}',
  '{"le":{"Certificates":{}}}',
  'null',
])
  test(`${text || 'nothing'} is no acme.json`, async () => {
    await using store = memoryStore();
    await assert.rejects(importTraefik(text, store, 0), /is no acme\.json/);
  });

test('the verb imports into the store of the configuration, and says what it did', async () => {
  await using directory = await temporaryDirectory();
  const { certificate } = await certified(directory.path, ['a.example.test']);
  const [file, config] = [join(directory.path, 'acme.json'), join(directory.path, 'gateway.config.json')];
  await writeFile(file, JSON.stringify({ le: { Certificates: [entryOf(certificate)] } }));
  await writeFile(config, JSON.stringify({ stateDir: join(directory.path, 'state') }));
  const first = await runProgram(['cert', 'import', file, '-c', config]);
  assert.deepEqual([first.code, first.stdout], [0, 'certificate of a.example.test imported\n'], first.stderr);
  const again = await runProgram(['cert', 'import', file, '-c', config]);
  assert.deepEqual([again.code, again.stdout], [1, '']);
  const none = await runProgram(['cert', 'import', join(directory.path, 'none'), '-c', config]);
  assert.match(none.stderr, /none cannot be read: there is no such file/);
});
