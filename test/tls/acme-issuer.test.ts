import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { silent } from '../../src/log.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { type StandIn, startStandIn } from '../support/acme-stand-in.ts';
import { keepCertificates } from '../support/kept-certificates.ts';
import { redisMissing, startRedis } from '../support/redis.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const host = 'gw.example.test';
const day = 86_400_000;

const keep = (issuer: StandIn, store: Store, acme: object = {}) =>
  keepCertificates(issuer, { hosts: [host], store, acme });

/** Runs with a clock that is ahead by so many milliseconds. */
async function later(ms: number, run: () => Promise<void>): Promise<void> {
  const clock = mock.method(Date, 'now', () => performance.timeOrigin + performance.now() + ms);
  try {
    await run();
  } finally {
    clock.mock.restore();
  }
}

test('RFC 9773 §4.2: renewal is planned within the window the issuer advises, once for all looks and restarts', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  const window = { start: Date.now() + 10 * day, end: Date.now() + 12 * day };
  issuer.advise(window);
  const planned: (number | undefined)[] = [];
  for (let run = 0; run < 2; run++) {
    await using kept = await keep(issuer, store);
    await kept.look();
    await kept.look();
    planned.push(kept.status()[0]?.renewAt);
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
  await using kept = await keep(issuer, store);
  await kept.look();
  const [former] = kept.served;
  assert.ok(former);
  issuer.advise({ start: Date.now() - 2 * day, end: Date.now() - day }, 60);
  await later(day, kept.look);
  const id = issuer.advised.at(-1) ?? '';
  assert.equal(issuer.orders[1]?.replaces, id);
  const [keyId, serial] = id.split('.').map((part) => Buffer.from(part, 'base64url').toString('hex'));
  assert.equal(keyId?.length, 40);
  // RFC 9773 §4.1: the octets of the DER integer, whose leading zero keeps a high one positive.
  assert.equal(serial, `00${new X509Certificate(former.chain).serialNumber.toLowerCase()}`);
  assert.notEqual(kept.served[0]?.serial, former.serial);
});

test('RFC 9773 §5: an issuer that refuses the link gets the order without it', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  await using kept = await keep(issuer, store);
  await kept.look();
  issuer.refuse(409, 'alreadyReplaced');
  await kept.renew();
  assert.equal(issuer.orders.length, 2);
  assert.equal(issuer.orders[1]?.replaces, undefined);
});

test('a profile is asked for by its name', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  await using kept = await keep(issuer, store, { profile: 'shortlived' });
  await kept.look();
  assert.equal(issuer.orders[0]?.profile, 'shortlived');
});

test('RFC 8555 §6.6: 429 with a day’s Retry-After is told, kept over a restart and kept to', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  issuer.refuse(429, 'rateLimited', { 'retry-after': '86400' });
  for (let run = 0; run < 2; run++) {
    await using kept = await keep(issuer, store);
    await kept.look();
    await kept.look();
    const [status] = kept.status();
    assert.match(status?.problem ?? '', /rateLimited; the issuer wants fewer orders/);
    assert.ok((status?.nextTry ?? 0) > Date.now() + day - 60_000);
    assert.equal(issuer.orders.length, 0);
  }
});

test('RFC 8555 §7.3.6: a deactivated account is followed by a new one', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  await using kept = await keep(issuer, store);
  await kept.look();
  issuer.deactivate();
  await kept.renew();
  assert.equal(issuer.accounts, 2);
  assert.equal(issuer.orders.length, 2);
  assert.equal(kept.status()[0]?.problem, undefined);
});

test('RFC 8555 §7.4: an issuer that takes its time is waited for, and the former certificate is served meanwhile', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  await using kept = await keep(issuer, store);
  await kept.look();
  const [former] = kept.served;
  issuer.slow(3);
  const renewal = kept.renew();
  assert.equal(kept.served[0]?.serial, former?.serial);
  await renewal;
  assert.notEqual(kept.served[0]?.serial, former?.serial);
});

test('RFC 8555 §7.5.1: an issuer that wants an hour gets it, and then the same order is gone on with', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  issuer.slow(1, 3600);
  await using kept = await keep(issuer, store);
  await kept.look();
  const [{ problem, nextTry = 0 } = {}] = kept.status();
  assert.match(problem ?? '', /has not decided yet; the gateway goes on with this order by itself/);
  assert.ok(nextTry > Date.now() + 3_500_000, String(nextTry));
  await later(3_700_000, kept.look);
  assert.deepEqual([issuer.orders.length, kept.served.length, kept.status()[0]?.problem], [1, 1, undefined]);
});

test('RFC 9773 §4.2: why a window is as it is, is told to the operator once', async () => {
  await using issuer = await startStandIn();
  const lines: object[] = [];
  const log = { ...silent, info: (event: string, fields?: object) => void lines.push({ event, ...fields }) };
  const start = Date.now() + 10 * day;
  issuer.advise({ start, end: start + day }, 60, 'https://ca.example.test/incident');
  await using kept = await keepCertificates(issuer, { hosts: [host], log });
  await kept.look();
  await kept.look();
  await later(day, kept.look);
  assert.equal(issuer.advised.length, 2);
  assert.equal(lines.filter((line) => 'why' in line && line.why === 'https://ca.example.test/incident').length, 1);
});

test('a second issuer is asked when the first fails', async () => {
  await using issuer = await startStandIn();
  await using other = await startStandIn();
  await using store = memoryStore();
  issuer.refuse(503, 'serverInternal');
  await using kept = await keep(issuer, store, { fallback: { directory: other.directory, caFile: other.caFile } });
  await kept.look();
  assert.deepEqual([issuer.orders.length, other.orders.length, kept.served.length], [0, 1, 1]);
});

test('after a failure the order is rehearsed at the test directory before the real one is asked again', async () => {
  await using rehearsal = await startStandIn();
  await using issuer = await startStandIn();
  await using store = memoryStore();
  await using directory = await temporaryDirectory();
  const caFile = join(directory.path, 'both.pem');
  await writeFile(caFile, (await readFile(issuer.caFile, 'utf8')) + (await readFile(rehearsal.caFile, 'utf8')));
  issuer.refuse(403, 'unauthorized');
  await using kept = await keep(issuer, store, { testDirectory: rehearsal.directory, caFile });
  await kept.look();
  assert.equal(rehearsal.accounts, 0);
  rehearsal.refuse(403, 'unauthorized');
  await assert.rejects(kept.renew(), { type: 'unauthorized' });
  assert.deepEqual([rehearsal.orders.length, issuer.orders.length], [0, 0]);
  await kept.renew();
  assert.deepEqual([rehearsal.orders.length, issuer.orders.length, kept.served.length], [1, 1, 1]);
});

test('a test directory that has trouble of its own does not stand in the way of the real one', async () => {
  await using issuer = await startStandIn();
  await using rehearsal = await startStandIn();
  await using store = memoryStore();
  issuer.refuse(403, 'unauthorized');
  await using kept = await keep(issuer, store, { testDirectory: rehearsal.directory });
  await kept.look();
  // The rehearsal's server is trusted by another authority.
  await kept.renew();
  assert.deepEqual([rehearsal.orders.length, issuer.orders.length, kept.served.length], [0, 1, 1]);
});

test('twenty hosts get twenty orders, few at once and with one account', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  const hosts = Array.from({ length: 20 }, (_, index) => `h${index}.example.test`);
  await using kept = await keepCertificates(issuer, { hosts, store });
  await kept.look();
  const ordered = issuer.orders.map(({ identifiers }) => identifiers.map(({ value }) => value).join());
  assert.deepEqual(ordered.toSorted(), hosts.toSorted());
  assert.deepEqual([issuer.accounts, kept.served.length], [1, 20]);
  assert.ok(issuer.mostAtOnce <= 4, `${issuer.mostAtOnce} at once`);
});

test('what the store has is served at once, whatever becomes of the orders for other hosts', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  await (async () => {
    await using kept = await keepCertificates(issuer, { hosts: ['old.example.test'], store });
    await kept.look();
  })();
  const held = issuer.hold();
  const fresh = Array.from({ length: 8 }, (_, index) => `h${index}.example.test`);
  await using kept = await keepCertificates(issuer, { hosts: [...fresh, 'old.example.test'], store });
  assert.deepEqual(
    kept.served.map(({ names }) => names[0]),
    ['old.example.test'],
  );
  held.release();
});

test('a wildcard stands for the hosts under it, and a file of the operator for its own', async () => {
  await using issuer = await startStandIn();
  const hosts = ['a.x.example.test', '*.x.example.test', 'x.example.test', 'own.example.test'];
  const acme = { challenge: 'dns-01', dnsCommand: ['true'] };
  const covered = (host: string) => host === 'own.example.test';
  await using kept = await keepCertificates(issuer, { hosts, acme, covered });
  await kept.look();
  const ordered = issuer.orders.flatMap(({ identifiers }) => identifiers.map(({ value }) => value));
  assert.deepEqual(ordered.toSorted(), ['*.x.example.test', 'x.example.test']);
  assert.deepEqual(
    kept.status().map(({ host }) => host),
    ['*.x.example.test', 'x.example.test'],
  );
});

test('at a third of the lifetime left a certificate is renewed, and until then nothing is ordered', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  await using kept = await keep(issuer, store);
  await kept.look();
  for (const [age, orders] of [
    [59, 1],
    [61, 2],
    [62, 2],
  ] as const) {
    await later(age * day, kept.look);
    assert.equal(issuer.orders.length, orders, `${age} days`);
  }
});

for (const { title, acme, clock } of [
  { title: 'a renewBefore longer than the lifetime', acme: { renewBefore: '400d' }, clock: 0 },
  { title: 'a clock that is a year ahead', acme: {}, clock: 365 * day },
  { title: 'a clock that is a year behind', acme: {}, clock: -365 * day },
]) {
  test(`${title} does not order again and again`, async () => {
    await using issuer = await startStandIn();
    await using store = memoryStore();
    // Ours is ahead where the issuer's is behind.
    issuer.setClock(-clock);
    await using kept = await keep(issuer, store, acme);
    await kept.look();
    await kept.look();
    const problem = kept.status()[0]?.problem;
    if (clock === 0) assert.equal(problem, undefined);
    else assert.match(problem ?? '', /and here it is 20.*set the clock of this machine right/);
    assert.equal(kept.served.length, 1);
    assert.equal(issuer.orders.length, 1);
  });
}

test('an order that was begun is gone on with by whoever comes next, and ordered anew only after a day', async () => {
  for (const { age, orders } of [
    { age: 0, orders: 1 },
    { age: 2 * day, orders: 2 },
  ]) {
    await using issuer = await startStandIn();
    await using store = memoryStore();
    const held = issuer.hold();
    const first = await keep(issuer, store);
    await held.asked;
    await first[Symbol.asyncDispose]();
    held.release();
    await later(age, async () => {
      await using next = await keep(issuer, store);
      await next.look();
      assert.equal(next.served.length, 1);
    });
    assert.equal(issuer.orders.length, orders);
  }
});

test('two gateways on one Redis order once, and both serve what one of them got', {
  skip: await redisMissing(),
}, async () => {
  await using issuer = await startStandIn();
  await using redis = await startRedis();
  const open = () => openStore(redis.url, { log: silent, storeKey: 'k'.repeat(32), stateDir: undefined });
  await using stores = new AsyncDisposableStack();
  const held = issuer.hold();
  const both = await Promise.all([1, 2].map(async () => keep(issuer, stores.use(await open()))));
  await held.asked;
  held.release();
  await Promise.all(both.map(({ look }) => look()));
  // The one that did not order finds it in passing.
  await Promise.all(both.map(({ look }) => look()));
  const serials = both.map(({ served }) => served[0]?.serial);
  await Promise.all(both.map((each) => each[Symbol.asyncDispose]()));
  assert.ok(serials[0] !== undefined);
  assert.deepEqual([serials[1], issuer.orders.length, issuer.accounts], [serials[0], 1, 1]);
});

test('a store that has lost its records takes no certificate away, and nothing is ordered for it', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  await using kept = await keep(issuer, store);
  await kept.look();
  await kept.look();
  await store.delete(`certificate:${host}`);
  await kept.look();
  assert.deepEqual([issuer.orders.length, kept.served.length], [1, 1]);
});

test('what failed by another configuration is tried again at its start, unless the issuer named a time', async () => {
  for (const { headers, orders } of [
    { headers: {}, orders: 1 },
    { headers: { 'retry-after': '86400' }, orders: 0 },
  ]) {
    await using issuer = await startStandIn();
    await using store = memoryStore();
    issuer.refuse(403, 'unauthorized', headers);
    const counts: number[] = [];
    for (const acme of [{}, {}, { keyType: 'rsa2048' }]) {
      await using kept = await keep(issuer, store, acme);
      await kept.look();
      counts.push(issuer.orders.length);
    }
    assert.deepEqual(counts, [0, 0, orders]);
  }
});

test('an order by hand that fails says why and how to mend it, when the others are done', async () => {
  await using issuer = await startStandIn();
  await using kept = await keepCertificates(issuer, { hosts: ['a.example.test', 'b.example.test'] });
  await kept.look();
  issuer.refuse(403, 'caa');
  await assert.rejects(kept.renew(), /^AcmeProblem: because of caa; a CAA record of this domain forbids/);
  assert.equal(issuer.orders.length, 3);
});

test('a caFile that cannot be used is told by its name at the start', async () => {
  await using issuer = await startStandIn();
  for (const caFile of ['/nowhere.pem', import.meta.filename])
    await assert.rejects(
      keepCertificates(issuer, { hosts: [host], acme: { caFile } }),
      /tls\.acme\.caFile .*is no certificate/,
    );
});

test('a record that cannot be read is as good as none', async () => {
  await using issuer = await startStandIn();
  await using store = memoryStore();
  await store.set(`certificate:${host}`, { chain: 'x', key: 'y', failures: 0, nextTry: 0 });
  await using kept = await keep(issuer, store);
  await kept.look();
  assert.deepEqual([issuer.orders.length, kept.served.length], [1, 1]);
});

for (const header of ['86400', new Date(Date.now() + day).toUTCString()]) {
  test(`RFC 9110 §10.2.3: Retry-After: ${header.includes('GMT') ? 'a date' : header} is kept to`, async () => {
    await using issuer = await startStandIn();
    await using store = memoryStore();
    issuer.refuse(429, 'rateLimited', { 'retry-after': header }, Number.POSITIVE_INFINITY);
    await using kept = await keep(issuer, store);
    await kept.look();
    const nextTry = kept.status()[0]?.nextTry ?? 0;
    assert.ok(nextTry > Date.now() + day - 120_000 && nextTry < Date.now() + day + 120_000, String(nextTry));
  });
}
