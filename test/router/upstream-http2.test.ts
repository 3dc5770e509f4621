import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createSecureServer, createServer, type ServerHttp2Stream } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { silent } from '../../src/log.ts';
import { type Limits, limitsConfig } from '../../src/router/config.ts';
import { listen } from '../../src/router/entrypoint.ts';
import { upstream } from '../../src/router/upstream.ts';
import type { UpstreamTls } from '../../src/router/upstream-client.ts';
import { certified } from '../support/https-front.ts';
import { rawDial, rawExchange } from '../support/raw-http.ts';
import { data, endStream, goaway, ok, rawHttp2Server, reset } from '../support/raw-http2.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

async function front(url: string, changed: Partial<Limits> = {}, tls: UpstreamTls = {}) {
  const limits = { ...limitsConfig.parse({}), drain: 0, ...changed };
  const service = upstream({ url, headers: {}, as: 'site', passHostHeader: true, tls }, { log: silent, limits });
  const entry = await listen({ address: '127.0.0.1:0', limits, log: silent }, service.service);
  return {
    port: entry.port,
    service,
    async [Symbol.asyncDispose]() {
      await entry[Symbol.asyncDispose]();
      await service[Symbol.asyncDispose]();
    },
  };
}

const get = 'GET /x HTTP/1.1\r\nhost: app.example\r\nconnection: close\r\n\r\n';
/** Of the answer itself, after early hints. */
const statusOf = (answer: string) => Number(/HTTP\/1\.1 ([2-5]\d\d)/.exec(answer)?.[1]);

describe('HTTP/2 behind, by frames', () => {
  const whole = (socket: Socket, stream: number) =>
    socket.write(Buffer.concat([ok(stream), data(stream, 'ok', endStream)]));
  const half = (stream: number) => Buffer.concat([ok(stream), data(stream, 'half')]);
  const cases: [title: string, answer: (socket: Socket, stream: number) => void, status: number | 'cut'][] = [
    [
      'RFC 9113 §8.1: an answer that is reset in the middle with an error',
      (s, id) => s.write(Buffer.concat([half(id), reset(id, 2)])),
      'cut',
    ],
    [
      'RFC 9113 §8.1: one that is reset in the middle with CANCEL',
      (s, id) => s.write(Buffer.concat([half(id), reset(id, 8)])),
      'cut',
    ],
    ['RFC 9113 §8.1: one whose connection ends in the middle', (s, id) => s.end(half(id)), 'cut'],
    ['RFC 9113 §6.4: a reset before the answer', (s, id) => s.write(reset(id, 8)), 502],
    [
      'RFC 9113 §4.3: a head that cannot be read',
      (s) => s.write(Buffer.from('000006010400000001ffffffffffff', 'hex')),
      502,
    ],
    ['RFC 9113 §3.4: HTTP/1.1 instead', (s) => s.write('HTTP/1.1 400 Bad Request\r\n\r\n'), 502],
    [
      'RFC 9113 §8.1.1: a head without a status',
      (s, id) =>
        s.write(
          Buffer.concat([
            Buffer.from('000005010500000001', 'hex').fill(id, 8, 9),
            Buffer.from([0x10, 1, 0x61, 1, 0x62]),
          ]),
        ),
      502,
    ],
    ['RFC 9110 §15.6.5: no answer', () => {}, 504],
  ];
  for (const [title, answer, status] of cases)
    test(`${title}: ${status}, and the next request is served`, async () => {
      await using server = await rawHttp2Server((socket, stream, turn) =>
        (turn === 0 ? answer : whole)(socket, stream),
      );
      await using at = await front(`h2c://127.0.0.1:${server.port}`, { responseTimeout: 0.5 });
      const said = await rawExchange(at.port, get);
      if (status === 'cut') assert.ok(statusOf(said) === 502 || !said.endsWith('0\r\n\r\n'), said);
      else assert.equal(statusOf(said), status, said);
      assert.match(await rawExchange(at.port, get), /^HTTP\/1\.1 200 [\s\S]*\r\nok\r\n0\r\n\r\n$/);
    });

  test('RFC 9113 §8.7: what the server refused or never looked at before it went away is asked again, once', async () => {
    const first = [(s: Socket, id: number) => s.write(reset(id, 7)), (s: Socket) => s.end(goaway(0))];
    for (const answer of first) {
      await using server = await rawHttp2Server((socket, stream, turn) =>
        (turn === 0 ? answer : whole)(socket, stream),
      );
      await using at = await front(`h2c://127.0.0.1:${server.port}`);
      assert.match(await rawExchange(at.port, get), /^HTTP\/1\.1 200 /);
    }
    await using never = await rawHttp2Server((socket, stream) => socket.write(reset(stream, 7)));
    await using at = await front(`h2c://127.0.0.1:${never.port}`);
    assert.equal(statusOf(await rawExchange(at.port, get)), 502);
  });

  test('RFC 9113 §6.8: a server that goes away finishes what it has; the next request goes over another connection', async () => {
    await using server = await rawHttp2Server((socket, stream) => {
      socket.write(Buffer.concat([ok(stream), goaway(stream)]));
      setImmediate(() => socket.write(data(stream, 'ok', endStream)));
    });
    await using at = await front(`h2c://127.0.0.1:${server.port}`);
    for (let turn = 1; turn <= 3; turn++) {
      assert.match(await rawExchange(at.port, get), /\r\nok\r\n0\r\n\r\n$/);
      assert.equal(server.connections, turn);
    }
  });

  test('RFC 9113 §5.4.2: a client that leaves takes its stream with it, and no other', async () => {
    await using server = await rawHttp2Server((socket, stream, turn) => turn === 1 && whole(socket, stream));
    await using at = await front(`h2c://127.0.0.1:${server.port}`);
    const leaving = connect(at.port, '127.0.0.1', () => leaving.write(get));
    while (at.service.busy === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    while (server.connections === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.match(await rawExchange(at.port, get), /200 OK/);
    leaving.destroy();
    while (server.resets.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(server.resets, [8]);
    assert.equal(server.connections, 1);
    while (at.service.busy > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});

describe('HTTP/2 behind, by node:http2', () => {
  const answer = (stream: ServerHttp2Stream, headers: Record<string, unknown>) => {
    stream.on('error', () => {});
    const path = headers[':path'];
    if (path === '/early') {
      stream.respond({ ':status': 413 });
      stream.end('too large');
    } else if (path === '/large') {
      stream.respond({ ':status': 200 });
      const more = () => {
        while (stream.writable && stream.write(Buffer.alloc(65536)));
      };
      stream.on('drain', more);
      more();
    } else if (path === '/echo') {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    } else {
      stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
      stream.respond({ ':status': 200, 'set-cookie': ['a=1', 'b=2'], 'x-user-id': 'root' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1', 'x-user-id': 'root' }));
      stream.end(
        `${headers[':method']} ${headers[':scheme']} ${headers[':authority']} ${headers.cookie} ${headers.te}`,
      );
    }
  };

  async function plain() {
    const server = createServer().on('stream', answer).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const sessions = new Set<{ destroy(): void }>();
    server.on('session', (session) => sessions.add(session));
    const { port } = server.address() as AddressInfo;
    return {
      url: `h2c://127.0.0.1:${port}`,
      sessions,
      async [Symbol.asyncDispose]() {
        for (const session of sessions) session.destroy();
        server.close();
      },
    };
  }

  test('RFC 9113 §8: heads, cookies, early hints and trailers cross, identities and what is of the connection do not', async () => {
    await using server = await plain();
    await using at = await front(server.url);
    const said = await rawExchange(
      at.port,
      'GET /x HTTP/1.1\r\nhost: app.example\r\nte: trailers\r\nkeep-alive: 5\r\ncookie: a=1\r\ncookie: b=2\r\nconnection: close, te\r\n\r\n',
    );
    assert.match(said, /^HTTP\/1\.1 103 [\s\S]*<\/a\.css>[\s\S]*HTTP\/1\.1 200 OK/);
    assert.match(said, /GET http app\.example a=1; b=2 trailers\r\n0\r\nx-sum: 1\r\n\r\n$/);
    assert.equal(said.match(/^set-cookie: /gim)?.length, 2);
    assert.doesNotMatch(said, /root/);
  });

  test('RFC 9110 §5.3: a header that may stand once, twice, is 400', async () => {
    await using server = await plain();
    await using at = await front(server.url);
    const twice = 'GET /x HTTP/1.1\r\nhost: a\r\nuser-agent: a\r\nuser-agent: b\r\nconnection: close\r\n\r\n';
    assert.equal(statusOf(await rawExchange(at.port, twice)), 400);
    assert.equal(statusOf(await rawExchange(at.port, get)), 200);
  });

  test('bodies of every framing pass, many at once, over few connections', async () => {
    await using server = await plain();
    await using at = await front(server.url);
    const url = `http://127.0.0.1:${at.port}/echo`;
    const bodies = Array.from({ length: 120 }, (_, turn) => 'x'.repeat(turn * 1000));
    const echoes = await Promise.all(bodies.map(async (body) => (await fetch(url, { method: 'POST', body })).text()));
    assert.deepEqual(
      echoes.map(({ length }) => length),
      bodies.map(({ length }) => length),
    );
    assert.ok(server.sessions.size <= 3, `${server.sessions.size} connections`);
    const chunked =
      'POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
    assert.match(await rawExchange(at.port, chunked), /abc\r\n0\r\n\r\n$/);
    const head = await fetch(url.replace('echo', 'x'), { method: 'HEAD' });
    assert.equal(head.status, 200);
  });

  test('RFC 9113 §8.1: a whole answer before the end of the request is relayed, and the request ends', async () => {
    await using server = await plain();
    await using at = await front(server.url);
    const unended = 'POST /early HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n';
    assert.match(await rawExchange(at.port, unended), /^HTTP\/1\.1 413 [\s\S]*too large/);
    while (at.service.busy > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test('BP: a client that does not read is not read for, and others go on over the same connection', async () => {
    await using server = await plain();
    await using at = await front(server.url, { stall: 0.5, responseIdle: 0 });
    const { socket } = await rawDial(at.port, 'GET /large HTTP/1.1\r\nhost: a\r\n\r\n', /200 OK/);
    socket.pause();
    for (let turn = 0; turn < 5; turn++) assert.match(await rawExchange(at.port, get), /GET http/);
    while (at.service.busy > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(server.sessions.size, 1);
    socket.destroy();
  });

  test('RFC 7301: over TLS the handshake chooses, a server without HTTP/2 gets HTTP/1.1, and none is offered where it is disabled', async () => {
    await using directory = await temporaryDirectory();
    const { certificate, rootFile } = await certified(directory.path, ['localhost']);
    const ca = await readFile(rootFile, 'utf8');
    const keys = { cert: certificate.chain, key: certificate.key };
    const both = createSecureServer({ ...keys, allowHTTP1: true }, (req, res) =>
      res.end(`${req.httpVersion} ${req.headers.host ?? req.authority}`),
    );
    const old = createHttpsServer(keys, (req, res) => res.end(`${req.httpVersion} ${req.headers.host}`));
    for (const server of [both, old]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    const url = (server: typeof both | typeof old) => `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const tls = { ca, servername: 'localhost' };
    try {
      for (const [server, more, version] of [
        [both, {}, '2.0'],
        [both, { http2: false }, '1.1'],
        [old, {}, '1.1'],
      ] as const) {
        await using at = await front(url(server), {}, { ...tls, ...more });
        for (let turn = 0; turn < 3; turn++)
          assert.match(await rawExchange(at.port, get), new RegExp(`${version.replace('.', '\\.')} app\\.example`));
      }
      await using doubting = await front(url(both));
      assert.equal(statusOf(await rawExchange(doubting.port, get)), 502);
      await using misnamed = await front(url(both), {}, { ca, servername: 'other.example' });
      assert.equal(statusOf(await rawExchange(misnamed.port, get)), 502);
    } finally {
      old.closeAllConnections();
      old.close();
      both.close();
    }
  });

  test('RFC 9110 §15.6.3: no server is 502, and it is found when it is there again', async () => {
    await using gone = await plain();
    const { url } = gone;
    await gone[Symbol.asyncDispose]();
    await using at = await front(url);
    assert.equal(statusOf(await rawExchange(at.port, get)), 502);
    const server = createServer()
      .on('stream', answer)
      .listen(Number(new URL(url).port), '127.0.0.1');
    await once(server, 'listening');
    const status = statusOf(await rawExchange(at.port, get));
    await at.service[Symbol.asyncDispose]();
    server.close();
    assert.equal(status, 200);
  });
});
