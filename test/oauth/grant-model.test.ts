import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { grantModel } from '../support/grant-model.ts';
import { testGateway } from '../support/oauth-client.ts';
import { seeded } from '../support/seeded.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** A store for one run, by its URL. Another kind of store is one more line here. */
const stores: Record<string, (scope: AsyncDisposableStack) => Promise<string>> = {
  memory: async () => 'memory:',
  file: async (scope) => `file:${join(scope.use(await temporaryDirectory()).path, 'store.db')}`,
};

/** `SEED=123 node --test test/oauth/grant-model.test.ts` does the same deeds again; their moments are the machine's. */
const given = process.env.SEED;
const seeds = given === undefined ? [1, Math.floor(Math.random() * 2 ** 31)] : [Number(given)];

for (const [store, open] of Object.entries(stores)) {
  for (const refreshGrace of ['60s', '0']) {
    test(`OAuth 2.1 §4.1.3, RFC 9700 §4.14.2: in whatever order grants are used, no code is redeemed twice and no token outlives its grant (${store}, grace ${refreshGrace})`, async () => {
      for (const seed of seeds) {
        await using scope = new AsyncDisposableStack();
        const auth = { refreshGrace, registration: { mode: 'open', perMinute: 10_000 } };
        const at = scope.use(await testGateway({ store: await open(scope), auth }));
        const model = grantModel(at.url, seeded(seed), refreshGrace !== '0');
        try {
          for (let step = 0; step < 80; step += 1) await model.step();
          await model.settle();
        } catch (error) {
          throw new Error(`with SEED=${seed}: ${error instanceof Error ? error.message : String(error)}`, {
            cause: error,
          });
        }
        const { redemptions, ended, atOnce } = model.counts;
        assert.ok(
          redemptions > 0 && ended > 0 && atOnce > 0,
          `${JSON.stringify(model.counts)} with SEED=${seed}: too little happened`,
        );
      }
    });
  }
}
