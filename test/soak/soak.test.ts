import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from './soak.ts';

test('after clients that vanish and servers that fall nothing is left, and nobody heard what was not for him', async () => {
  const { verified } = await soak({ rounds: 1, seconds: 2, seed: 3 });
  assert.ok(verified > 0);
});
