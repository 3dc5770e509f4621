/** What a peer might send that means no good: messages that are almost right, and bytes that are not. */

import type { Seeded } from './seeded.ts';

const words = ['', 'x', '__proto__', 'constructor', 'toString', '\u0000', '\u2028', '\ud800', 'ü'.repeat(50), '$', '1'];
const numbers = [0, -0, 1.5, -1, 2 ** 53, 2 ** 31, 1e300, 5e-324];
/** As text, because JavaScript would not write them so. */
const tokens = [
  '1e400',
  '1.0',
  '-0',
  '9007199254740993',
  '00',
  '+1',
  'NaN',
  'undefined',
  "'x'",
  '"\\ud800"',
  '{"a":1,"a":2}',
];

export function anyValue(random: Seeded, depth = 3): unknown {
  switch (random.below(depth > 0 ? 7 : 5)) {
    case 0:
      return random.pick(words);
    case 1:
      return random.pick(numbers);
    case 2:
      return null;
    case 3:
      return random.below(2) === 0;
    case 4:
      return random.pick(words).repeat(random.below(200));
    case 5:
      return Array.from({ length: random.below(4) }, () => anyValue(random, depth - 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(4) }, () => [random.pick(words), anyValue(random, depth - 1)]),
      );
  }
}

/** The message with one thing about it changed, as JSON text. */
export function mutated(random: Seeded, message: object): string {
  const copy = structuredClone(message) as Record<string, unknown>;
  const places: Record<string, unknown>[] = [copy];
  for (const place of places) {
    for (const value of Object.values(place))
      if (typeof value === 'object' && value !== null) places.push(value as never);
  }
  const place = random.pick(places);
  const key = random.pick([...Object.keys(place), random.pick(words)]);
  const mark = '@mutated@';
  let text: string | undefined;
  if (random.below(4) === 0) delete place[key];
  else if (random.below(3) === 0) {
    place[key] = mark;
    text = random.pick(tokens);
  } else if (random.below(6) === 0) {
    const depth = 1 + random.below(20_000);
    place[key] = mark;
    text = '['.repeat(depth) + ']'.repeat(depth);
  } else place[key] = anyValue(random);
  const json = JSON.stringify(copy);
  const whole = text === undefined ? json : json.replace(`"${mark}"`, () => text);
  // A member in another spelling, and once more.
  return random.below(10) === 0
    ? whole.replace(/"(method|id|params|name|jsonrpc)":/, (name) => `${name.toUpperCase()}1,${name}`)
    : whole;
}

/** The bytes with some of them changed, left out, doubled or put in. */
export function broken(random: Seeded, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  const to = Math.min(bytes.length, at + random.below(12));
  const noise = Buffer.from(Array.from({ length: 1 + random.below(8) }, () => random.below(256)));
  const parts = {
    flip: [bytes.subarray(0, at), noise, bytes.subarray(Math.min(bytes.length, at + noise.length))],
    drop: [bytes.subarray(0, at), bytes.subarray(to)],
    double: [bytes.subarray(0, to), bytes.subarray(at)],
    insert: [bytes.subarray(0, at), noise, bytes.subarray(at)],
    cut: [bytes.subarray(0, at)],
    lines: [
      bytes.subarray(0, at),
      Buffer.from(random.pick(['\n', '\r\n', '\r', '\n\n', '\0', '\ufeff'])),
      bytes.subarray(at),
    ],
  };
  return Buffer.concat(random.pick(Object.values(parts)));
}
