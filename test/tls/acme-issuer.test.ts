import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mock, test } from 'node:test';
import { silent } from '../../src/log.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import type { Store } from '../../src/store/store.ts';
import { type Certificates, certificates } from '../../src/tls/acme/certificates.ts';
import { challenges } from '../../src/tls/acme/challenges.ts';
import type { Certificate } from '../../src/tls/certificate.ts';
import { tlsConfig } from '../../src/tls/config.ts';
import { type StandIn, startStandIn } from '../support/acme-stand-in.ts';

const host = 'gw.example.test';
const day = 86_400_000;

interface Kept extends AsyncDisposable {
  readonly all: Certificates;
  readonly served: () => readonly Certificate[];
}

function keep(issuer: StandIn, store: Store, acme: object = {}): Kept {
  const config = tlsConfig.parse({ acme: { directory: issuer.directory, caFile: issuer.caFile, ...acme } }).acme;
  assert.ok(config);
  let served: readonly Certificate[] = [];
  const changed = (all: readonly Certificate[]) => {
    served = all;
  };
  const all = certificates(config, {
    hosts: [host],
    store,
    log: silent,
    challenges: challenges(config, store),
    changed,
  });
  return { all, served: () => served, [Symbol.asyncDispose]: () => all[Symbol.asyncDispose]() };
}

test('RFC 9773 §4.2: renewal is planned within the window the issuer advises, once for all looks and restarts', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  const window = { start: Date.now() + 10 * day, end: Date.now() + 12 * day };
  issuer.advise(window);
  const planned: (number | undefined)[] = [];
  for (let run = 0; run < 2; run++) {
    await using kept = keep(issuer, store);
    await kept.all.look();
    await kept.all.look();
    planned.push(kept.all.status()[0]?.renewAt);
  }
  const [first] = planned;
  assert.ok(first !== undefined && first >= window.start - 1 && first <= window.end, String(first));
  assert.deepEqual(planned, [first, first]);
  assert.equal(issuer.orders.length, 1);
  assert.equal(issuer.advised.length, 1);
});

test('RFC 9773 §5: a window that has begun renews now, and the order names the certificate it replaces', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  await using kept = keep(issuer, store);
  await kept.all.look();
  const [former] = kept.served();
  assert.ok(former);
  issuer.advise({ start: Date.now() - 2 * day, end: Date.now() - day }, 60);
  const clock = mock.method(Date, 'now', () => performance.timeOrigin + performance.now() + day);
  try {
    await kept.all.look();
  } finally {
    clock.mock.restore();
  }
  const id = issuer.advised.at(-1) ?? '';
  assert.equal(issuer.orders[1]?.replaces, id);
  const [keyId, serial] = id.split('.').map((part) => Buffer.from(part, 'base64url').toString('hex'));
  assert.equal(keyId?.length, 40);
  // RFC 9773 §4.1: the octets of the DER integer, whose leading zero keeps a high one positive.
  assert.equal(serial, `00${new X509Certificate(former.chain).serialNumber.toLowerCase()}`);
  assert.notEqual(kept.served()[0]?.serial, former.serial);
});

test('RFC 9773 §5: an issuer that refuses the link gets the order without it', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  await using kept = keep(issuer, store);
  await kept.all.look();
  issuer.refuse(409, 'alreadyReplaced');
  await kept.all.renew();
  assert.equal(issuer.orders.length, 2);
  assert.equal(issuer.orders[1]?.replaces, undefined);
});

test('a profile is asked for by its name', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  await using kept = keep(issuer, store, { profile: 'shortlived' });
  await kept.all.look();
  assert.equal(issuer.orders[0]?.profile, 'shortlived');
});

test('RFC 8555 §6.6: 429 with a day’s Retry-After is told, kept over a restart and kept to', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  issuer.refuse(429, 'rateLimited', { 'retry-after': '86400' });
  for (let run = 0; run < 2; run++) {
    await using kept = keep(issuer, store);
    await kept.all.look();
    await kept.all.look();
    const [status] = kept.all.status();
    assert.match(status?.problem ?? '', /rateLimited; the issuer wants fewer orders/);
    assert.ok((status?.nextTry ?? 0) > Date.now() + day - 60_000);
    assert.equal(issuer.orders.length, 0);
  }
});

test('RFC 8555 §7.3.6: a deactivated account is followed by a new one', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  await using kept = keep(issuer, store);
  await kept.all.look();
  issuer.deactivate();
  await kept.all.renew();
  assert.equal(issuer.accounts, 2);
  assert.equal(issuer.orders.length, 2);
  assert.equal(kept.all.status()[0]?.problem, undefined);
});

test('RFC 8555 §7.4: an issuer that takes its time is waited for, and the former certificate is served meanwhile', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  await using kept = keep(issuer, store);
  await kept.all.look();
  const [former] = kept.served();
  issuer.slow(3);
  const renewal = kept.all.renew();
  assert.equal(kept.served()[0]?.serial, former?.serial);
  await renewal;
  assert.notEqual(kept.served()[0]?.serial, former?.serial);
});

test('a second issuer is asked when the first fails', async () => {
  await using issuer = await startStandIn();
  await using other = await startStandIn();
  await using store = memoryStore();
  issuer.refuse(503, 'serverInternal');
  await using kept = keep(issuer, store, { fallback: { directory: other.directory, caFile: other.caFile } });
  await kept.all.look();
  assert.deepEqual([issuer.orders.length, other.orders.length, kept.served().length], [0, 1, 1]);
});

test('after a failure the order is rehearsed at the test directory before the real one is asked again', async () => {
  await using issuer = await startStandIn();
  await using rehearsal = await startStandIn();
  await using store = memoryStore();
  issuer.refuse(403, 'unauthorized');
  await using kept = keep(issuer, store, { testDirectory: rehearsal.directory });
  await kept.all.look();
  assert.equal(rehearsal.accounts, 0);
  // The rehearsal's server is trusted by another authority, so it fails, and the real issuer is not bothered.
  await assert.rejects(kept.all.renew(), { type: 'network' });
  assert.equal(issuer.orders.length, 0);
});
