import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frameBounds } from '../../src/router/web-socket-frames.ts';

const masked = (bytes: number[]) => [...bytes, 1, 2, 3, 4];
const rows: [title: string, head: number[], length: number][] = [
  ['no payload', [0x89, 0], 0],
  ['a short payload', [0x81, 5], 5],
  ['a masked one', masked([0x81, 0x80 | 5]), 5],
  ['a length of 16 bits', [0x82, 126, 1, 0], 256],
  ['a length of 64 bits, masked', masked([0x82, 0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 0]), 65536],
];

for (const [title, head, length] of rows)
  test(`RFC 6455 §5.2: the end of a frame with ${title} is known wherever its bytes are cut`, () => {
    const whole = Buffer.concat([Buffer.from(head), Buffer.alloc(length, 0xff)]);
    const two = Buffer.concat([whole, whole]);
    for (const cut of [1, 2, 3, 4, 9, 13, whole.length - 1, whole.length, whole.length + 1]) {
      const bounds = frameBounds();
      const ends: number[] = [];
      let seen = 0;
      for (const part of [two.subarray(0, cut), two.subarray(cut)])
        for (let at = 0; at < part.length; ) {
          const next = bounds.advance(part, at);
          seen += next - at;
          at = next;
          if (bounds.between) ends.push(seen);
        }
      assert.deepEqual(ends, [whole.length, two.length], `cut at ${cut}`);
    }
  });
