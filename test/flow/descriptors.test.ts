/** File descriptors: all come back, and to have none left is a refusal, not an end. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { eventually } from '../support/bridged.ts';
import { type Program, startProgram } from '../support/program.ts';
import { rawDial, rawServer } from '../support/raw-http.ts';

const skip = process.platform !== 'linux' && 'counts descriptors in /proc, which Linux alone has';
const cycles = 300;
const atOnce = 30;

const descriptors = ({ process: { pid } }: Program) => readdirSync(`/proc/${pid}/fd`).length;
const portOf = ({ url }: Program) => Number(new URL(url).port);
const request = (more = '') => `GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n${more}\r\n`;
const upgrade =
  'connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';

/** In front of `port`, with nobody who guards it. */
function before(port: number): Promise<Program> {
  return startProgram({
    config: {
      entrypoints: { http: { listen: '127.0.0.1:0' } },
      log: { access: false },
      routers: [{ name: 'all', rule: 'Path(`/`)', service: 'all', auth: false }],
      services: { all: { servers: [{ url: `http://127.0.0.1:${port}` }] } },
    },
  });
}

test('hundreds of event streams and WebSockets that clients break off leave no descriptor behind', {
  skip,
}, async () => {
  await using server = await rawServer((socket, seen) => {
    if (/upgrade: websocket/i.test(seen)) {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n');
      socket.write('\x81\x05hello', 'latin1');
    } else {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: hello\n\n');
    }
  });
  await using program = await before(server.port);
  const round = async () => {
    const dialled = Array.from({ length: atOnce }, (_, i) =>
      rawDial(portOf(program), request(i % 2 === 0 ? '' : upgrade), /hello/),
    );
    for (const { socket } of await Promise.all(dialled)) socket.resetAndDestroy();
    await eventually('the server is rid of them', () => server.open.size === 0);
  };
  await round();
  const first = descriptors(program);
  for (let done = atOnce; done < cycles; done += atOnce) await round();
  await eventually('every descriptor is back', () => descriptors(program) <= first);
});

test('with no descriptor left new connections wait or end, those that are there go on, and all is well afterwards', {
  skip,
}, async () => {
  await using server = await rawServer((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'));
  await using program = await before(server.port);
  const port = portOf(program);
  const { socket: kept, text } = await rawDial(port, request(), /ok$/);
  const limit = descriptors(program) + 10;
  const { status } = spawnSync('prlimit', ['--pid', String(program.process.pid), `--nofile=${limit}:`]);
  assert.equal(status, 0);
  const crowd: Socket[] = [];
  for (let i = 0; i < 40; i++) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    crowd.push(socket);
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
  }
  kept.write(request());
  await eventually('the connection that was there is served', () => (text().match(/ok/g)?.length ?? 0) === 2);
  for (const socket of crowd) socket.destroy();
  await eventually('new ones are served again', async () => {
    const answer = await fetch(`${program.url}/`).catch(() => undefined);
    return answer?.status === 200;
  });
  assert.equal(await program.stop(), 0);
});

test('RFC 9112 §9.3.1: a server that ends kept connections whenever it likes fails no request that may be sent again', {
  skip,
}, async () => {
  await using server = await rawServer((socket, _, turn) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    // Now at once, now in the moment in which the next request is on its way.
    if (turn % 3 === 0) socket.end();
    else if (turn % 3 === 1) setTimeout(() => socket.destroy(), turn % 5);
  });
  await using program = await before(server.port);
  for (let i = 0; i < 100; i++) {
    const answers = await Promise.all(Array.from({ length: 3 }, () => fetch(`${program.url}/`)));
    for (const answer of answers) assert.equal(`${answer.status} ${await answer.text()}`, '200 ok');
  }
});
