import assert from 'node:assert/strict';
import { test } from 'node:test';
import { risingMap } from '../../src/mcp/rising-map.ts';

test('what comes and goes under rising numbers is found as in a Map', () => {
  const [map, rising] = [new Map<number, string>(), risingMap<string>()];
  for (let key = 1; key <= 500; key += 1 + (key % 3)) {
    map.set(key, `${key}`);
    rising.set(key, `${key}`);
    const former = (key * 7919) % (key + 5);
    assert.equal(rising.delete(former), map.delete(former));
    for (const asked of [0, former, key, key + 1, Number.NaN]) assert.equal(rising.get(asked), map.get(asked));
    assert.deepEqual(rising.values(), [...map.values()]);
  }
  assert.ok(rising.size() > 1 && rising.size() === map.size);
  rising.clear();
  assert.deepEqual([rising.size(), rising.get(1)], [0, undefined]);
});
