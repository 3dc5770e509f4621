import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inTurn, median, ratioOf } from '../../bench/pairs.ts';
import { plotOf } from '../../bench/plot.ts';
import { asText, compared, isReached, rate, summary } from '../../bench/report.ts';

const run = (requests: number) => ({ requests, seconds: 2, failures: 0, p50: 1, p99: 3, cpu: 4, memory: 5e6 });

test('contenders run in turn, each first in every other round, and the first round is not counted', async () => {
  const order: string[] = [];
  const contender = (name: string) => ({ name, run: async () => order.push(name) });
  const results = await inTurn([contender('a'), contender('b')], 2);
  assert.deepEqual(order, ['a', 'b', 'b', 'a', 'a', 'b']);
  assert.deepEqual(results.get('a'), [4, 5]);
});

test('a ratio is the median of the pairs, not that of the medians', () => {
  assert.deepEqual([median([3, 1, 2]), median([4, 1, 2, 3])], [2, 2.5]);
  assert.deepEqual(ratioOf([10, 40, 90], [10, 20, 30], Number), { median: 2, least: 1, most: 3 });
});

test('the report says for each target what was measured, how far it spread and whether that is enough', () => {
  const pair = [
    [run(300), run(500)],
    [run(100), run(100)],
  ] as const;
  const faster = compared('1 proxy', 'faster than theirs', pair, rate, { atLeast: 3 });
  const smaller = compared('1 proxy', 'less of theirs', pair, rate, { atMost: 3 });
  assert.deepEqual([isReached(faster), isReached(smaller)], [true, false]);
  const measured = [summary('POST', 'ours', pair[0])];
  const text = asText({ findings: [faster, smaller], measured, curves: [], missing: ['caddy: not installed'] });
  assert.match(text, /\| POST +\| ours +\| 200 +\| 1\.00 +\| 3\.00 +\| 4\.00 +\| 5 +\|/);
  assert.match(text, /\| 1 proxy \| faster than theirs \| 4\.00 × +\| 3\.00 to 5\.00 \| at least 3 \| yes +\|/);
  assert.match(text, /Not run: caddy: not installed/);
});

test('a plot begins at zero and has a point for each measurement', () => {
  const svg = plotOf({
    name: 'x',
    title: 'Finding',
    x: 'routes',
    y: 'µs',
    points: [
      [1, 0.5],
      [10, 0.6],
      [100, 1.5],
    ],
  });
  assert.equal(svg.match(/<circle/g)?.length, 3);
  assert.match(svg, />0<.*\n.*>1<.*\n.*>2</);
});
