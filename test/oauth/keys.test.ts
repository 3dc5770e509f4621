import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { signingKeys } from '../../src/oauth/keys.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import { type Store, StoreUnavailable } from '../../src/store/store.ts';

const now = () => Math.floor(Date.now() / 1000);

/** A store that cannot be listed: what needs no listing does not notice. */
function unlisted(store: Store): Store {
  const refuse = () => assert.fail('no key is found by a listing');
  return { ...store, keys: refuse, records: refuse };
}

test('gateways that begin at once on an empty store sign with one key, found without a listing', async () => {
  await using store = memoryStore();
  const gateways = [1, 2, 3].map(() => signingKeys(unlisted(store), 'ES256', 1800));
  const signers = await Promise.all(gateways.map((keys) => keys.signer(now() + 60)));
  const [kid = ''] = new Set(signers.map((signer) => signer.kid));
  for (const keys of gateways) {
    const { keys: published } = await keys.published();
    assert.deepEqual(
      published.map((jwk) => jwk.kid),
      [kid],
    );
    assert.equal((await keys.verifier(kid))?.kid, kid);
  }
});

test('gateways that rotate at once lose none of the new keys, and the one in use signs until all know its successor', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  await using store = memoryStore();
  const [one, two] = [signingKeys(store, 'ES256', 1800), signingKeys(store, 'ES256', 1800)];
  const before = await one.signer(now() + 1800);
  const made = await Promise.all([one.rotate(), two.rotate(), one.rotate(), two.rotate()]);
  assert.equal(made.filter(({ signs }) => signs).length, 0);
  const listed = await two.list();
  assert.deepEqual(new Set(listed.map(({ kid }) => kid)), new Set([before.kid, ...made.map(({ kid }) => kid)]));
  assert.equal((await two.signer(now() + 1800)).kid, before.kid);
  // Rotated again and again, it goes on signing, and is published as long as what it signed lives.
  t.mock.timers.tick(50_000);
  await two.rotate();
  t.mock.timers.tick(50_000);
  assert.equal((await one.signer(now() + 1800)).kid, before.kid);
  t.mock.timers.tick(11_000);
  const next = await one.signer(now() + 1800);
  assert.notEqual(next.kid, before.kid);
  assert.equal((await two.signer(now() + 1800)).kid, next.kid);
  t.mock.timers.tick(1_790_000);
  assert.ok(await one.verifier(before.kid));
  t.mock.timers.tick(400_000);
  assert.deepEqual(
    (await one.list()).map(({ kid }) => kid),
    [next.kid],
  );
});

test('a withdrawn key is refused at every gateway within a second, and its successor is good there at once', async () => {
  await using store = memoryStore();
  const [one, two] = [signingKeys(store, 'ES256', 1800), signingKeys(store, 'ES256', 1800)];
  const stolen = await two.signer(now() + 60);
  assert.ok(await two.verifier(stolen.kid));
  const { kid } = await one.rotate({ compromised: true });
  assert.equal((await one.signer(now() + 60)).kid, kid);
  assert.equal(await one.verifier(stolen.kid), undefined);
  assert.ok(await two.verifier(kid), 'signed at the other, shown here in the same moment');
  while ((await two.verifier(stolen.kid)) !== undefined) await wait(20);
  assert.equal((await two.signer(now() + 60)).kid, kid);
});

test('a key is published for as long as the longest token that it signed', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  await using store = memoryStore();
  const keys = signingKeys(store, 'EdDSA', 1800);
  const { kid } = await keys.signer(now() + 90 * 86_400);
  await keys.rotate();
  t.mock.timers.tick(89 * 86_400_000);
  assert.ok((await keys.list()).some((key) => key.kid === kid));
  t.mock.timers.tick(2 * 86_400_000);
  assert.ok(!(await keys.list()).some((key) => key.kid === kid));
});

test('a rotation while the lock is left behind by a gateway that died says so and changes nothing', async () => {
  await using store = memoryStore();
  const keys = signingKeys(store, 'ES256', 1800);
  const before = await keys.list();
  await store.set('lock:the signing keys', true, { ttl: 10 });
  await assert.rejects(keys.rotate(), StoreUnavailable);
  assert.deepEqual(await keys.list(), before);
  await store.delete('lock:the signing keys');
  assert.equal((await keys.rotate()).signs, false);
});

test('while the store is away known keys go on verifying, and a gateway that knows none says why', async () => {
  await using store = memoryStore();
  let away = false;
  const get: Store['get'] = async (key) => {
    if (away) throw new StoreUnavailable('away');
    return store.get(key);
  };
  const keys = signingKeys({ ...store, get }, 'ES256', 1800);
  const { kid } = await keys.signer(now() + 60);
  away = true;
  await wait(1100);
  assert.equal((await keys.verifier(kid))?.kid, kid);
  const late = signingKeys({ ...store, get }, 'ES256', 1800);
  await assert.rejects(late.verifier(kid), StoreUnavailable);
  await assert.rejects(late.signer(now() + 60), StoreUnavailable);
});
