import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect as http2 } from 'node:http2';
import { describe, test } from 'node:test';
import { connect as tls } from 'node:tls';
import { certified } from '../support/https-front.ts';
import { ok, proxied } from '../support/proxied.ts';
import { frame, preface, reset, type } from '../support/raw-http2.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** RFC 7541: `:method`, `:scheme: https`, `:path: /`, `:authority: localhost`. */
const head = (method: 0x82 | 0x83) =>
  Buffer.concat([Buffer.from([method, 0x87, 0x84, 0x41, 9]), Buffer.from('localhost')]);
const [whole, begun] = [5, 4];

const floods: [title: string, start: Buffer, each: (turn: number) => Buffer][] = [
  [
    'rapid reset',
    Buffer.alloc(0),
    (turn) => Buffer.concat([frame(type.headers, whole, 2 * turn + 1, head(0x82)), reset(2 * turn + 1, 8)]),
  ],
  ['pings', Buffer.alloc(0), () => frame(type.ping, 0, 0, Buffer.alloc(8))],
  ['settings', Buffer.alloc(0), () => frame(type.settings, 0, 0)],
  ['empty data', frame(type.headers, begun, 1, head(0x83)), () => frame(type.data, 0, 1)],
  ['a head without end', frame(type.headers, 0, 1, head(0x82)), () => frame(9, 0, 1, Buffer.alloc(100))],
];

describe('RFC 9113 §10.5: what only costs ends the connection, and others are served', () => {
  for (const [title, start, each] of floods)
    test(title, async () => {
      await using directory = await temporaryDirectory();
      const { certificate, rootFile } = await certified(directory.path, ['localhost']);
      const keys = { cert: certificate.chain, key: certificate.key };
      await using at = await proxied(ok, { headTimeout: 30 }, keys);
      const ca = await readFile(rootFile, 'utf8');
      const socket = tls({ port: at.port, host: '127.0.0.1', servername: 'localhost', ALPNProtocols: ['h2'], ca });
      socket.on('error', () => {});
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.resume();
      await once(socket, 'secureConnect');
      socket.write(Buffer.concat([preface, frame(type.settings, 0, 0), start]));
      for (let turn = 0; !socket.destroyed && !socket.closed; turn += 1) {
        if (!socket.write(each(turn)))
          await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed]);
        if (turn % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
        assert.ok(turn < 1_000_000, 'nothing stops it');
      }
      await closed;
      const session = http2(`https://localhost:${at.port}`, { ca, host: '127.0.0.1' });
      const [answer] = await once(session.request({ ':path': '/' }), 'response');
      assert.equal(answer[':status'], 200);
      session.destroy();
    });
});
