import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, constants, type OutgoingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { closed, ok, proxiedHttp2 } from '../support/proxied.ts';

interface Answered {
  readonly status: number | undefined;
  readonly headers: Record<string, unknown>;
  readonly body: string;
  /** NO_ERROR where the answer is whole. */
  readonly code: number;
}

async function ended(stream: ClientHttp2Stream): Promise<Answered> {
  let headers: Record<string, unknown> = {};
  const chunks: Buffer[] = [];
  stream.on('error', () => {});
  stream.on('response', (got) => {
    headers = got;
  });
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => stream.once('close', resolve));
  const body = Buffer.concat(chunks).toString();
  return { status: headers[':status'] as number | undefined, headers, body, code: stream.rstCode };
}

const ask = (session: ClientHttp2Session, headers: OutgoingHttpHeaders = {}, body?: string) => {
  const stream = session.request({ ':path': '/x', ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  return ended(stream);
};

/** By us, or by the library below us, which resets what is no header. */
async function refused(session: ClientHttp2Session, headers: OutgoingHttpHeaders): Promise<void> {
  const { status, code } = await ask(session, headers);
  assert.ok(status === 400 || (status === undefined && code !== constants.NGHTTP2_NO_ERROR), JSON.stringify(headers));
}

describe('HTTP/2 before, HTTP/1.1 behind', () => {
  test('RFC 9113 §8.3.1: the authority becomes the Host, and a Host that differs is 400', async () => {
    await using at = await proxiedHttp2();
    assert.equal((await ask(at.session, { ':authority': 'a.example', host: 'a.example' })).status, 200);
    assert.match(at.seen(), /^host: a\.example\r$/im);
    for (const headers of [
      { ':authority': 'a.example', host: 'b.example' },
      { ':authority': 'u@a.example' },
      { ':authority': 'a b' },
      { ':authority': 'a/b' },
    ])
      await refused(at.session, headers);
    assert.doesNotMatch(at.seen(), /b\.example|u@/);
  });

  test('spoofed identities end here, in every spelling', async () => {
    await using at = await proxiedHttp2();
    const spoofed = {
      'x-user-id': 'root',
      x_user_id: 'root',
      'x.user.id': 'root',
      'remote-user': 'root',
      'x-forwarded-user': 'root',
      'x-forwarded-for': '6.6.6.6',
      forwarded: 'for=6.6.6.6',
      'proxy-authorization': 'root',
      expect: '100-continue',
    };
    assert.equal((await ask(at.session, spoofed)).status, 200);
    assert.doesNotMatch(at.seen(), /root|6\.6\.6\.6|expect/i);
  });

  test('RFC 9113 §8.2.3: crumbs of a cookie are put together', async () => {
    await using at = await proxiedHttp2();
    await ask(at.session, { cookie: ['a=1', 'b=2', 'c=3'] });
    assert.match(at.seen(), /^cookie: a=1; b=2; c=3\r$/im);
  });

  test('RFC 9113 §8.2.2: headers of the connection end here, and the session lives on', async () => {
    const names = [
      'connection: x',
      'keep-alive: timeout=5',
      'proxy-connection: x',
      'upgrade: h2c',
      'te: trailers',
      'http2-settings: x',
      'transfer-encoding: chunked',
    ];
    await using at = await proxiedHttp2((socket, _, turn) => {
      const chunked = names[turn]?.startsWith('transfer');
      socket.write(
        `HTTP/1.1 200 Odd\r\n${names[turn]}\r\n${chunked ? '\r\n2\r\nok\r\n0\r\n\r\n' : 'content-length: 2\r\n\r\nok'}`,
      );
    });
    for (const name of names) {
      const { status, body, headers, code } = await ask(at.session);
      assert.deepEqual({ status, body, code }, { status: 200, body: 'ok', code: constants.NGHTTP2_NO_ERROR }, name);
      assert.equal(headers[name.slice(0, name.indexOf(':'))], undefined);
    }
    assert.equal(at.session.closed, false);
  });

  test('a body without a length arrives in chunks, one with a length by its length', async () => {
    await using at = await proxiedHttp2();
    await ask(at.session, { ':method': 'POST' }, 'abc');
    assert.match(at.seen(), /transfer-encoding: chunked\r\n[\s\S]*\r\n3\r\nabc\r\n0\r\n\r\n$/i);
    await ask(at.session, { ':method': 'POST', 'content-length': '3' }, 'abc');
    assert.match(at.seen(), /content-length: 3\r\n\r\nabc$/i);
  });

  test('RFC 8297 §2: early hints are relayed', async () => {
    await using at = await proxiedHttp2((socket) => {
      socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n');
      ok(socket);
    });
    const stream = at.session.request({ ':path': '/x' });
    const hints = once(stream, 'headers');
    const answer = ended(stream);
    const [early] = await hints;
    assert.deepEqual([early[':status'], early.link], [103, '</a.css>; rel=preload']);
    assert.equal((await answer).body, 'ok');
  });

  test('RFC 9113 §8.1: trailers are relayed, those of the request are not made headers', async () => {
    await using at = await proxiedHttp2((socket) =>
      socket.write(
        'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\nx-user-id: root\r\n\r\n',
      ),
    );
    const stream = at.session.request({ ':method': 'POST', ':path': '/x' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-user-id': 'root', 'x-evil': '1' }));
    const trailers = once(stream, 'trailers');
    stream.end('abc');
    assert.equal((await ended(stream)).body, 'ok');
    const [got] = await trailers;
    assert.deepEqual(Object.entries(got), [['x-sum', '1']]);
    assert.doesNotMatch(at.seen(), /root|evil/);
  });

  test('RFC 9110 §9.3.6, RFC 8441 §3: neither CONNECT nor its extension is a way through', async () => {
    await using at = await proxiedHttp2();
    const stream = at.session.request({ ':method': 'CONNECT', ':authority': 'a.example:443' });
    const { status, code } = await ended(stream);
    assert.ok((status ?? 0) >= 400 || code !== constants.NGHTTP2_NO_ERROR, `${status} ${code}`);
    assert.equal(at.session.remoteSettings.enableConnectProtocol, false);
    assert.equal(at.seen(), '');
  });
});

describe('when one side of HTTP/2 fails', () => {
  for (const begin of ['content-length: 100000', 'transfer-encoding: chunked', 'content-length: 100'])
    test(`RFC 9113 §8.1: an answer (${begin}) whose server breaks off is reset, and the session lives on`, async () => {
      await using at = await proxiedHttp2((socket, _, turn) => {
        if (turn > 0) return void ok(socket);
        socket.write(`HTTP/1.1 200 OK\r\n${begin}\r\n\r\n${begin.startsWith('t') ? '4\r\n' : ''}half`, () =>
          socket.destroy(),
        );
      });
      const { status, code } = await ask(at.session);
      assert.ok(status === 502 || code !== constants.NGHTTP2_NO_ERROR, `${status} ${code}`);
      assert.equal((await ask(at.session)).body, 'ok');
    });

  test('502, 503 and 504 are told apart', async () => {
    const limits = { responseTimeout: 0.3, upstreamConnections: 1, upstreamQueue: 0 };
    await using at = await proxiedHttp2((socket, _, turn) => turn === 0 && socket.destroy(), limits);
    assert.equal((await ask(at.session)).status, 502);
    const late = ask(at.session);
    while (at.origin.seen.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    const busy = await ask(at.session);
    assert.deepEqual([busy.status, busy.headers['retry-after']], [503, '5']);
    assert.equal((await late).status, 504);
  });

  test('RFC 9113 §5.4.2: a stream that the client resets ends at the server, the others go on', async () => {
    await using at = await proxiedHttp2((socket, seen) => {
      if (seen.includes('/y')) ok(socket);
    });
    const stream = at.session.request({ ':path': '/x' });
    stream.on('error', () => {});
    while (at.origin.open.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    stream.close(constants.NGHTTP2_CANCEL);
    await Promise.all([...at.origin.open].map(closed));
    assert.equal((await ask(at.session, { ':path': '/y' })).body, 'ok');
  });

  test('SLO: a body that stops is cut, though HTTP/2 has no timer of its own', async () => {
    await using at = await proxiedHttp2(() => {}, { stall: 0.3 });
    const stream = at.session.request({ ':method': 'POST', ':path': '/x' });
    stream.on('error', () => {});
    stream.write('abc');
    while (at.origin.open.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await Promise.all([...at.origin.open].map(closed));
  });

  test('SLO: a body that stops is cut while other streams of the session go on', async () => {
    await using at = await proxiedHttp2(
      (socket, seen) => {
        if (seen.includes('/y')) ok(socket);
      },
      { stall: 0.3 },
    );
    const stream = at.session.request({ ':method': 'POST', ':path': '/x' });
    const answer = ended(stream);
    stream.write('abc');
    let over = false;
    void answer.then(() => {
      over = true;
    });
    while (!over) {
      assert.equal((await ask(at.session, { ':path': '/y' })).status, 200);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.notEqual((await answer).status, 200);
  });

  test('an event stream with nothing to say outlasts every idle limit, and an idle session does not', async () => {
    await using at = await proxiedHttp2(
      (socket) =>
        socket.write(
          'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\n: a\n\n\r\n',
        ),
      { stall: 0.1, responseIdle: 0.1, keepAlive: 0.1 },
    );
    const stream = at.session.request({ ':path': '/x' });
    stream.on('error', () => {});
    const [first] = await once(stream, 'data');
    assert.equal(String(first), ': a\n\n');
    await new Promise((resolve) => setTimeout(resolve, 400));
    const [origin] = at.origin.open;
    origin?.write('5\r\n: b\n\n\r\n0\r\n\r\n');
    const [second] = await once(stream, 'data');
    assert.equal(String(second), ': b\n\n');
    if (!at.session.closed) await once(at.session, 'close');
  });

  test('RFC 9113 §6.8: a drain ends idle sessions, and lets the request in flight finish', async () => {
    const arrived = Promise.withResolvers<Socket>();
    await using at = await proxiedHttp2(arrived.resolve);
    const answer = ask(at.session);
    const server = await arrived.promise;
    const goaway = once(at.session, 'goaway');
    const drained = at.entry.drain(5000);
    assert.equal((await goaway)[0], constants.NGHTTP2_NO_ERROR);
    ok(server);
    assert.equal((await answer).body, 'ok');
    await drained;
    assert.equal(at.entry.connections, 0);
  });
});
