import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { proxied } from '../support/proxied.ts';
import { rawExchange } from '../support/raw-http.ts';

const heads = Number(process.env.FUZZ_HEADS ?? 1000);

/** The same heads each time: a linear congruential generator with the constants of Numerical Recipes. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const pieces = [
  'GET ',
  'POST ',
  'CONNECT ',
  'OPTIONS * ',
  '/',
  '/x',
  '//',
  '/../',
  '%2f',
  '%00',
  '%',
  '?',
  '#',
  'http://a/',
  ' ',
  '\t',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/2.0',
  '\r\n',
  '\r\n',
  '\r\n',
  '\n',
  '\r',
  '\0',
  'host: a',
  'host:',
  'Host: b:x',
  'content-length: 3',
  'content-length: -1',
  'transfer-encoding: chunked',
  'Transfer-Encoding: gzip',
  'expect: 100-continue',
  'expect: x',
  'connection: upgrade',
  'upgrade: websocket',
  'upgrade: h2c',
  'connection: close',
  'te: trailers',
  'trailer: x',
  'cookie: a=b',
  'x-user-id: root',
  'x-forwarded-for: 1',
  'accept: */*',
  '3\r\nabc\r\n',
  '0\r\n\r\n',
  'abc',
  'ffffffffffffffffff\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '\x16\x03\x01',
  '\xff',
  'a'.repeat(9000),
  ': ',
  ';',
  'é',
];

test(`${heads} heads of random pieces: each connection ends or is answered as HTTP, and the next one is served`, async () => {
  await using at = await proxied(undefined, { headTimeout: 1 });
  const next = random(5);
  const once = (bytes: string) =>
    new Promise<string>((resolve) => {
      const socket = connect(at.port, '127.0.0.1', () => socket.end(bytes, 'latin1'));
      let text = '';
      socket.setEncoding('latin1').on('data', (part: string) => {
        text += part;
      });
      socket.on('error', () => {}).on('close', () => resolve(text));
    });
  const made = Array.from({ length: heads }, () => {
    const begun = next(2) === 0 ? 'GET /x HTTP/1.1\r\nhost: a\r\n' : '';
    return begun + Array.from({ length: 1 + next(14) }, () => pieces[next(pieces.length)]).join('');
  });
  for (let from = 0; from < made.length; from += 50) {
    const batch = made.slice(from, from + 50);
    const answers = await Promise.all(batch.map(once));
    for (const [turn, answer] of answers.entries()) {
      assert.match(answer, /^(?:HTTP\/1\.1 [1-5]\d\d [\s\S]*)?$/, JSON.stringify(batch[turn]));
      assert.doesNotMatch(answer, /^HTTP\/1\.1 500 /, JSON.stringify(batch[turn]));
    }
  }
  assert.doesNotMatch(at.seen(), /root/);
  assert.match(
    await rawExchange(at.port, 'GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'),
    /^HTTP\/1\.1 200 /,
  );
});
