import assert from 'node:assert/strict';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { silent } from '../../src/log.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import { openStore } from '../../src/store/open-store.ts';
import { checkSecret, sealedStore } from '../../src/store/sealed.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const secret = 'a secret of at least thirty-two characters';
const key = { kty: 'RSA', d: 'the private part' };

test('a private key cannot be read in the store beneath, and comes back as it was', async () => {
  await using beneath = memoryStore();
  const store = sealedStore(beneath, secret);
  for (const kind of ['signing-key', 'signing-keys', 'certificate', 'acme-account', 'tls-ticket-keys', 'login-state']) {
    assert.equal(await store.set(`${kind}:1`, key, { ttl: 60 }), true);
    assert.doesNotMatch(JSON.stringify(await beneath.get(`${kind}:1`)), /private/);
    assert.deepEqual(await store.get(`${kind}:1`), key);
  }
  await store.set('client:1', { name: 'x' });
  assert.deepEqual(await beneath.get('client:1'), { name: 'x' });
});

test('the same key sealed twice looks different', async () => {
  await using beneath = memoryStore();
  const store = sealedStore(beneath, secret);
  await store.set('signing-key:1', key);
  const first = await beneath.get('signing-key:1');
  await store.set('signing-key:1', key);
  assert.notDeepEqual(await beneath.get('signing-key:1'), first);
});

const tamperings: Record<string, (sealed: string) => unknown> = {
  'a changed byte': (sealed) => ({ sealed: `${sealed.slice(0, -2)}${sealed.endsWith('A') ? 'B' : 'A'}x` }),
  'a shortened text': (sealed) => ({ sealed: sealed.slice(0, -8) }),
  'a shortened tag': (sealed) => ({ sealed: sealed.slice(0, 20) }),
  'an empty text': () => ({ sealed: '' }),
  'an open record planted in its place': () => key,
  'another kind of value': () => null,
};
for (const [title, tamper] of Object.entries(tamperings))
  test(`${title} is never taken for a key`, async () => {
    await using beneath = memoryStore();
    const store = sealedStore(beneath, secret);
    await store.set('signing-key:1', key);
    const { sealed } = (await beneath.get('signing-key:1')) as { sealed: string };
    await beneath.set('signing-key:1', tamper(sealed));
    await assert.rejects(store.get('signing-key:1'));
  });

test('a record in the place of another is not taken', async () => {
  await using beneath = memoryStore();
  const store = sealedStore(beneath, secret);
  await store.set('signing-key:1', key);
  await beneath.set('signing-key:2', await beneath.get('signing-key:1'));
  await assert.rejects(store.get('signing-key:2'));
});

test('another secret is noticed at start', async () => {
  await using beneath = memoryStore();
  await checkSecret(sealedStore(beneath, secret));
  await checkSecret(sealedStore(beneath, secret));
  await assert.rejects(checkSecret(sealedStore(beneath, `${secret}!`)), /same storeKey/);
});

test('without a configured key one is made beside the store, for its owner alone, and used again', async () => {
  await using directory = await temporaryDirectory();
  const stateDir = directory.path;
  const file = join(stateDir, 'store.key');
  {
    await using store = await openStore('file:', { stateDir, log: silent });
    await store.set('signing-key:1', key);
  }
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.doesNotMatch(readFileSync(join(stateDir, 'store.db')).toString('latin1'), /the private part/);
  {
    await using store = await openStore('file:', { stateDir, log: silent });
    assert.deepEqual(await store.get('signing-key:1'), key);
  }
  await assert.rejects(openStore('file:', { stateDir, storeKey: secret, log: silent }), /same storeKey/);
  chmodSync(file, 0o644);
  await assert.rejects(openStore('file:', { stateDir, log: silent }), /others may read it; run: chmod 600/);
  chmodSync(file, 0o600);
  writeFileSync(file, '');
  await assert.rejects(openStore('file:', { stateDir, log: silent }), /is damaged/);
});
