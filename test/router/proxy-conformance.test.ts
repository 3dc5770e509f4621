import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { closed, ok, proxied } from '../support/proxied.ts';
import { rawDial, rawExchange } from '../support/raw-http.ts';

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);

describe('what cannot be read in one way alone is refused, and no byte of it reaches the server', () => {
  const post = (framing: string, body: string) => `POST /x HTTP/1.1\r\nhost: a\r\n${framing}\r\n\r\n${body}`;
  const smuggled = '0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n';
  const cases: [title: string, bytes: string, status?: number][] = [
    [
      'RFC 9112 §6.1: Content-Length and Transfer-Encoding',
      post('content-length: 4\r\ntransfer-encoding: chunked', smuggled),
    ],
    [
      'RFC 9112 §6.1: Transfer-Encoding and Content-Length',
      post('transfer-encoding: chunked\r\ncontent-length: 4', smuggled),
    ],
    ['RFC 9112 §6.1: chunked that is not last', post('transfer-encoding: chunked, identity', smuggled)],
    ['RFC 9112 §6.1: a coding we do not know', post('transfer-encoding: xchunked', smuggled)],
    [
      'RFC 9112 §6.1: chunked twice',
      post('transfer-encoding: chunked\r\ntransfer-encoding: chunked, chunked', smuggled),
    ],
    ['RFC 9112 §6.1: a vertical tab before chunked', post('transfer-encoding: \x0bchunked', smuggled)],
    [
      'RFC 9112 §6.1: Transfer-Encoding in HTTP/1.0',
      'POST /x HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['RFC 9112 §5.1: white space before the colon', post('transfer-encoding : chunked', smuggled)],
    ['RFC 9112 §5.1: white space before the colon of Content-Length', post('content-length : 3', 'abc')],
    ['RFC 9112 §6.3: two lengths', post('content-length: 3\r\ncontent-length: 4', 'abcd')],
    ['RFC 9112 §6.3: two equal lengths', post('content-length: 3\r\ncontent-length: 3', 'abc')],
    ['RFC 9112 §6.3: a list of lengths', post('content-length: 3, 3', 'abc')],
    ['RFC 9112 §6.3: a signed length', post('content-length: +3', 'abc')],
    ['RFC 9112 §6.3: a negative length', post('content-length: -1', 'abc')],
    ['RFC 9112 §6.3: a hexadecimal length', post('content-length: 0x3', 'abc')],
    ['RFC 9112 §6.3: an empty length', post('content-length:', 'abc')],
    ['RFC 9112 §2.2: bare LF in the head', 'GET /x HTTP/1.1\nhost: a\n\n'],
    ['RFC 9112 §2.2: bare LF between headers', 'GET /x HTTP/1.1\r\nhost: a\nx: y\r\n\r\n'],
    ['RFC 9112 §2.2: bare CR in a header', 'GET /x HTTP/1.1\r\nhost: a\r\nx: y\rz\r\n\r\n'],
    ['RFC 9112 §5.2: a folded header', 'GET /x HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n'],
    ['RFC 9110 §5.5: NUL in a header', 'GET /x HTTP/1.1\r\nhost: a\r\nx: y\0z\r\n\r\n'],
    ['RFC 9110 §5.1: a name with a space', 'GET /x HTTP/1.1\r\nhost: a\r\nx y: z\r\n\r\n'],
    ['RFC 9112 §7.1: a chunk size that is none', post('transfer-encoding: chunked', 'g\r\nabc\r\n0\r\n\r\n')],
    ['RFC 9112 §7.1: bare LF after a chunk size', post('transfer-encoding: chunked', '3\nabc\r\n0\r\n\r\n')],
    ['RFC 9112 §7.1: a chunk longer than it says', post('transfer-encoding: chunked', '3\r\nabcd\r\n0\r\n\r\n')],
    ['RFC 9112 §3.2: two Hosts', 'GET /x HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n'],
    ['RFC 9112 §3.2: two equal Hosts', 'GET /x HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n'],
    ['RFC 9112 §3.2: no Host', 'GET /x HTTP/1.1\r\nx: y\r\n\r\n'],
    ['RFC 9112 §3.2: an empty Host', 'GET /x HTTP/1.1\r\nhost:\r\n\r\n'],
    ['RFC 9112 §3.2: a Host with userinfo', 'GET /x HTTP/1.1\r\nhost: u@a\r\n\r\n'],
    ['RFC 9112 §3.2: a Host with a path', 'GET /x HTTP/1.1\r\nhost: a/b\r\n\r\n'],
    ['RFC 9112 §3.2: a Host with a space', 'GET /x HTTP/1.1\r\nhost: a b\r\n\r\n'],
    ['RFC 9112 §3.2.2: an absolute target of another host', 'GET http://b/x HTTP/1.1\r\nhost: a\r\n\r\n'],
    ['RFC 9112 §3.2.2: an absolute target of another scheme', 'GET ftp://a/x HTTP/1.1\r\nhost: a\r\n\r\n'],
    ['RFC 9112 §3.2.4: the asterisk', 'OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n'],
    ['RFC 9112 §3.2: a fragment', 'GET /x#y HTTP/1.1\r\nhost: a\r\n\r\n'],
    ['RFC 3986 §3.3: a backslash', 'GET /x\\y HTTP/1.1\r\nhost: a\r\n\r\n'],
    ['RFC 3986 §2.1: half an escape', 'GET /x%2 HTTP/1.1\r\nhost: a\r\n\r\n'],
    ['RFC 3986 §2.1: an encoded NUL', 'GET /x%00 HTTP/1.1\r\nhost: a\r\n\r\n'],
    ['RFC 9110 §9.3.6: CONNECT', 'CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n', 405],
    ['RFC 9110 §10.1.1: an expectation unheard of', 'GET /x HTTP/1.1\r\nhost: a\r\nexpect: tea\r\n\r\n', 417],
    ['RFC 6585 §5: a head of more than 32 KiB', `GET /x HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`, 431],
    ['RFC 6585 §5: more than 100 header lines', `GET /x HTTP/1.1\r\nhost: a\r\n${'x: y\r\n'.repeat(1500)}\r\n`, 431],
    ['RFC 9110 §15.5.14: a length beyond the limit', post('content-length: 99999999999', ''), 413],
    ['no HTTP at all', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03'],
  ];
  for (const [title, bytes, status = 400] of cases)
    test(title, async () => {
      await using at = await proxied();
      const answer = await rawExchange(at.port, bytes);
      assert.equal(statusOf(answer), status, answer);
      assert.equal(answer.match(/^HTTP\/1\.1/gm)?.length, 1);
      assert.doesNotMatch(at.seen(), /smuggled|abcd|HTTP\/1\.1\r\n(?:.*\r\n)*\r\n[\s\S]*GET/);
    });
});

describe('what crosses, and what does not', () => {
  const hop = [
    'Connection: close, x-listed, x-user-id, X-Forwarded-For, Authorization',
    'Keep-Alive: timeout=5',
    'Proxy-Connection: keep-alive',
    'Proxy-Authorization: Basic x',
    'TE: gzip, deflate',
    'Trailer: x-sum',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABk',
  ];
  const spoofed = [
    'X-User-Id: root',
    'X_User_Id: root',
    'X.User.Id: root',
    'x-user-name: root',
    'X-Client-Id: root',
    'X-Auth-Request-User: root',
    'Remote-User: root',
    'Remote_User: root',
    'X-Forwarded-User: root',
    'X-Forwarded-Groups: root',
    'X-Webauth-User: root',
    'X-Forwarded-For: 6.6.6.6',
    'X-Forwarded-Host: evil',
    'X_Forwarded_For: 6.6.6.6',
    'X-Real-Ip: 6.6.6.6',
    'Forwarded: for=6.6.6.6',
    'X-Original-Url: /evil',
    'X-Rewrite-Url: /evil',
    'X-Http-Method-Override: DELETE',
    'x-listed: 6.6.6.6',
  ];

  test('RFC 9110 §7.6.1: hop-by-hop headers and spoofed identities end here, in every spelling, and what is listed cannot be taken away', async () => {
    await using at = await proxied();
    const answer = await rawExchange(
      at.port,
      `GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Basic eA==\r\nX-Kept: 1\r\nX-Kept: 2\r\n${[...hop, ...spoofed].join('\r\n')}\r\n\r\n`,
    );
    assert.equal(statusOf(answer), 200);
    const seen = at.seen().toLowerCase();
    assert.doesNotMatch(seen, /root|6\.6\.6\.6|evil|keep-alive: |proxy-|^te:|trailer|h2c|http2-settings|delete/m);
    assert.match(seen, /^authorization: basic eA==\r$/im);
    assert.equal(seen.match(/^x-forwarded-for: 127\.0\.0\.1\r$/gm)?.length, 1);
    assert.equal(seen.match(/^host: a\r$/gm)?.length, 1);
    assert.match(seen, /x-kept: 1\r\nx-kept: 2\r\n/);
  });

  test('RFC 9112 §6: a body arrives with one framing of our own, chunk extensions and trailers taken off', async () => {
    await using at = await proxied();
    const chunked =
      'POST /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3;evil=1\r\nabc\r\n0\r\nx-user-id: root\r\n\r\n';
    assert.equal(statusOf(await rawExchange(at.port, chunked)), 200);
    assert.match(at.seen(), /transfer-encoding: chunked\r\n/);
    assert.doesNotMatch(at.seen(), /evil|root|content-length/);
    assert.match(at.seen(), /3\r\nabc\r\n0\r\n\r\n$/);
  });

  test('RFC 9110 §9.3.1: a GET with a body keeps it, framed, and a second request in it is no request', async () => {
    await using at = await proxied();
    const body = 'GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n';
    const answer = await rawExchange(
      at.port,
      `GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    assert.equal(statusOf(answer), 200);
    assert.match(at.seen(), new RegExp(`content-length: ${body.length}\r\n`));
  });

  test('RFC 9112 §9.3.2: requests sent one after the other without waiting are answered in order', async () => {
    await using at = await proxied((socket, seen) => {
      const path = /^GET \/(\w)/.exec(seen.slice(seen.lastIndexOf('GET')))?.[1] ?? '';
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n${path}`);
    });
    const answer = await rawExchange(
      at.port,
      'GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\nGET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
    );
    assert.deepEqual(answer.match(/^\d(?=HTTP|$)/gm) ?? [], ['1', '2', '3'], answer);
  });

  test('RFC 8297 §2: early hints reach clients of HTTP/1.1 before the answer, and no others', async () => {
    await using at = await proxied((socket) => {
      socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nx-user-id: 1\r\n\r\n');
      ok(socket);
    });
    const get = (version: string) =>
      rawExchange(at.port, `GET /x HTTP/${version}\r\nhost: a\r\nconnection: close\r\n\r\n`);
    assert.match(
      await get('1.1'),
      /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK[\s\S]*ok$/i,
    );
    assert.match(await get('1.0'), /^HTTP\/1\.1 200 OK[\s\S]*ok$/);
  });

  test('RFC 9110 §15.2: other interim answers are the connection’s own business, and end here', async () => {
    await using at = await proxied((socket) => {
      for (const interim of ['102 Processing', '104 Upload Resumption Supported'])
        socket.write(`HTTP/1.1 ${interim}\r\nx-interim: 1\r\n\r\n`);
      ok(socket);
    });
    const answer = await rawExchange(at.port, 'GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    assert.match(answer, /^HTTP\/1\.1 200 OK[\s\S]*ok$/);
    assert.doesNotMatch(answer, /interim/);
  });

  test('RFC 9110 §6.5.1: trailers reach the client that takes them, but none that would change the meaning of the head', async () => {
    await using at = await proxied((socket) =>
      socket.write(
        'HTTP/1.1 200 OK\r\ntrailer: X-Sum, X-User-Id, Content-Length\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\nx-user-id: root\r\nset-cookie: a=1\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n',
      ),
    );
    const get = (version: string, te: string) =>
      rawExchange(at.port, `GET /x HTTP/${version}\r\nhost: a\r\nTE: ${te}\r\nconnection: close, TE\r\n\r\n`);
    const answer = await get('1.1', 'gzip;q=0.5, Trailers');
    assert.match(
      answer,
      /^HTTP\/1\.1 200 OK\r\ntrailer: x-sum\r\n[\s\S]*2\r\nok\r\n0\r\nx-sum: 1\r\nx-sum: 2\r\n\r\n$/,
    );
    assert.match(at.seen(), /^te: trailers\r$/m);
    for (const other of [await get('1.1', 'gzip'), await get('1.0', 'trailers')])
      assert.doesNotMatch(other, /x-sum|trailer/i);
  });

  for (const [title, head] of [
    ['HEAD', 'content-length: 5'],
    ['204', ''],
    ['304', 'content-length: 5\r\netag: "a"'],
  ] as const)
    test(`RFC 9112 §6.3: ${title} has no body, and the connection goes on`, async () => {
      const status = title === 'HEAD' ? '200 OK' : `${title} X`;
      await using at = await proxied((socket) => socket.write(`HTTP/1.1 ${status}\r\n${head}${head && '\r\n'}\r\n`));
      const method = title === 'HEAD' ? 'HEAD' : 'GET';
      const one = `${method} /x HTTP/1.1\r\nhost: a\r\n`;
      const answer = await rawExchange(at.port, `${one}\r\n${one}connection: close\r\n\r\n`);
      assert.equal(answer.match(/^HTTP\/1\.1 \d{3}/gm)?.length, 2, answer);
      if (title === 'HEAD') assert.match(answer, /content-length: 5/i);
    });

  test('RFC 6265 §3: cookies of the server stay apart, and headers of the connection stay behind', async () => {
    await using at = await proxied((socket) =>
      socket.write(
        'HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nconnection: x-hop, keep-alive\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nproxy-authenticate: Basic\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\nok',
      ),
    );
    const answer = await rawExchange(at.port, 'GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    assert.equal(answer.match(/^set-cookie: /gim)?.length, 2);
    assert.doesNotMatch(answer, /x-hop|timeout=5|proxy-authenticate|upgrade/i);
  });
});

describe('when the server fails', () => {
  const get = 'GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';
  const cases: [title: string, answer: (socket: Socket) => void, status: number][] = [
    ['RFC 9110 §15.6.3: it closes before it answers', (socket) => socket.destroy(), 502],
    ['RFC 9110 §15.6.3: it resets before it answers', (socket) => socket.resetAndDestroy(), 502],
    ['RFC 9110 §15.6.3: it answers nonsense', (socket) => socket.write('HELLO\r\n\r\n'), 502],
    ['RFC 9110 §15.6.3: half a head', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-'), 502],
    [
      'RFC 9110 §15.6.3: its head is larger than 32 KiB',
      (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`),
      502,
    ],
    [
      'RFC 9112 §6.3: two lengths',
      (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok'),
      502,
    ],
    [
      'RFC 9112 §6.3: length and chunked',
      (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
      502,
    ],
    [
      'RFC 9110 §7.8: it switches to a protocol that nobody asked for',
      (socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n'),
      502,
    ],
    ['RFC 9110 §15.6.5: it says nothing', () => {}, 504],
    ['RFC 9110 §15.6.5: it sends its head too slowly', (socket) => socket.write('HTTP/1.1 200'), 504],
  ];
  for (const [title, answer, status] of cases)
    test(title, async () => {
      await using at = await proxied(answer, { responseTimeout: 0.5 });
      const said = await rawExchange(at.port, get);
      assert.equal(statusOf(said), status, said);
      assert.doesNotMatch(said.replace('host: a', ''), /127\.0\.0\.1/);
      assert.match(said, /"error":"temporarily_unavailable"/);
    });

  for (const [title, begin] of [
    ['with a length', 'content-length: 100000'],
    ['in chunks', 'transfer-encoding: chunked'],
    ['of a small length', 'content-length: 100'],
  ] as const)
    for (const end of ['closes', 'resets'] as const)
      test(`RFC 9112 §8: an answer ${title} whose server ${end} in the middle does not look whole`, async () => {
        await using at = await proxied((socket) => {
          socket.write(`HTTP/1.1 200 OK\r\n${begin}\r\n\r\n${begin.startsWith('t') ? '4\r\n' : ''}half`, () => {
            if (end === 'closes') socket.destroy();
            else socket.resetAndDestroy();
          });
        });
        const said = await rawExchange(at.port, get);
        const isWhole = /\r\n0\r\n\r\n$/.test(said) || /content-length: 4\r\n/.test(said);
        assert.ok(statusOf(said) === 502 || !isWhole, said);
      });

  test('a server that stops in the middle of an answer is cut, and so is the answer', async () => {
    await using at = await proxied((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nhalf'), {
      responseIdle: 0.2,
    });
    const said = await rawExchange(at.port, get);
    assert.match(said, /half$/);
    await Promise.all([...at.origin.open].map(closed));
  });

  test('an answer before the end of the request’s body is relayed', async () => {
    await using at = await proxied((socket) =>
      socket.end('HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno'),
    );
    const said = await rawExchange(
      at.port,
      'POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n',
    );
    assert.match(said, /^HTTP\/1\.1 413 [\s\S]*no$/);
  });
});

describe('clients that leave, stall or take their time', () => {
  test('a client that leaves takes its request with it, from the server and from the queue', async () => {
    await using at = await proxied(() => {}, { upstreamConnections: 1 });
    const get = 'GET /x HTTP/1.1\r\nhost: a\r\n\r\n';
    const first = connect(at.port, '127.0.0.1');
    first.write(get);
    while (at.origin.open.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const queued = connect(at.port, '127.0.0.1');
    queued.write(get);
    while (at.entry.connections < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    queued.destroy();
    while (at.entry.connections > 1) await new Promise((resolve) => setTimeout(resolve, 5));
    const [held] = at.origin.open;
    first.destroy();
    if (held) await closed(held);
    while (at.entry.connections > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(at.origin.seen.length, 1);
  });

  test('SLO: a head that is not complete in time is 408, silence is cut, and the server hears of neither', async () => {
    await using at = await proxied(ok, { headTimeout: 0.3 });
    assert.match(await rawExchange(at.port, 'GET /x HTTP/1.1\r\nhost: a\r\nx: '), /^HTTP\/1\.1 408 /);
    assert.match(await rawExchange(at.port, ''), /^(?:HTTP\/1\.1 408 |$)/);
    assert.equal(at.seen(), '');
  });

  test('SLO: a client that stops in the middle of its body is cut, and the server with it', async () => {
    await using at = await proxied(() => {}, { stall: 0.3 });
    await rawExchange(at.port, 'POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n');
    await Promise.all([...at.origin.open].map(closed));
  });

  test('SLO: a client that does not read is cut when nothing moves any more, and the server with it', async () => {
    await using at = await proxied(
      (socket) => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n`);
        const more = () => {
          while (socket.writable && socket.write(Buffer.alloc(65536)));
        };
        socket.on('drain', more);
        more();
      },
      { stall: 0.5 },
    );
    const { socket } = await rawDial(at.port, 'GET /x HTTP/1.1\r\nhost: a\r\n\r\n', /200 OK/);
    socket.pause();
    await Promise.all([...at.origin.open].map(closed));
    while (at.entry.connections > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    socket.destroy();
  });

  test('BP: what a client does not read is not read from the server either', async () => {
    let sent = 0;
    await using at = await proxied((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n`);
      const more = () => {
        do sent += 65536;
        while (socket.writable && socket.write(Buffer.alloc(65536)));
      };
      socket.on('drain', more);
      more();
    });
    const { socket } = await rawDial(at.port, 'GET /x HTTP/1.1\r\nhost: a\r\n\r\n', /200 OK/);
    socket.pause();
    let before = -1;
    while (before !== sent) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.ok(sent < 64 * 1024 * 1024, String(sent));
    socket.destroy();
  });

  test('an event stream with nothing to say outlasts every idle limit', async () => {
    await using at = await proxied(
      (socket) =>
        socket.write(
          'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\n: a\n\n\r\n',
        ),
      { stall: 0.1, responseIdle: 0.1, keepAlive: 0.1 },
    );
    const { socket, text } = await rawDial(at.port, 'GET /x HTTP/1.1\r\nhost: a\r\n\r\n', /: a/);
    await new Promise((resolve) => setTimeout(resolve, 400));
    const [upstreamSocket] = at.origin.open;
    upstreamSocket?.write('5\r\n: b\n\n\r\n');
    while (!text().includes(': b')) await once(socket, 'data');
    socket.destroy();
  });

  test('RFC 9110 §10.1.1: nobody is asked for a body before the server’s turn, and 100 comes once', async () => {
    await using at = await proxied();
    const { socket, text } = await rawDial(
      at.port,
      'POST /x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: 3\r\n\r\n',
      /100 Continue/,
    );
    socket.write('abc');
    await once(socket, 'close');
    assert.match(text(), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
    assert.doesNotMatch(at.seen(), /expect/i);
  });
});

describe('the pool', () => {
  test('requests that a client library would choke on cost no slot', async () => {
    await using at = await proxied(ok, { upstreamConnections: 2, upstreamQueue: 0 });
    for (const header of [
      'Expect: 100-continue',
      'Upgrade: h2c',
      'Keep-Alive: 5',
      'Connection: upgrade',
      'TE: gzip',
      'Trailer: x',
      'Proxy-Connection: x',
    ])
      for (let turn = 0; turn < 4; turn++) {
        const said = await rawExchange(
          at.port,
          `GET /x HTTP/1.1\r\nhost: a\r\n${header}\r\n\r\nGET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`,
        );
        assert.match(said, /^HTTP\/1\.1 200 /, header);
      }
  });

  test('RFC 9110 §15.6.4: with every slot taken the next one waits its time and gets 503 with Retry-After, and event streams take none', async () => {
    await using at = await proxied(
      (socket, all) => {
        const seen = all.slice(all.lastIndexOf('GET '));
        if (seen.includes('/events')) socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: a\n\n');
        else if (seen.includes('/quick')) ok(socket);
      },
      { upstreamConnections: 2, upstreamQueue: 1, upstreamQueueWait: 0.2 },
    );
    const held: Socket[] = [];
    for (let turn = 0; turn < 4; turn++)
      held.push((await rawDial(at.port, 'GET /events HTTP/1.1\r\nhost: a\r\n\r\n', /: a/)).socket);
    const quick = 'GET /quick HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';
    assert.equal(statusOf(await rawExchange(at.port, quick)), 200);
    for (let turn = 0; turn < 2; turn++) {
      const socket = connect(at.port, '127.0.0.1');
      socket.write('GET /never HTTP/1.1\r\nhost: a\r\n\r\n');
      held.push(socket);
    }
    while (at.origin.open.size < 6) await new Promise((resolve) => setTimeout(resolve, 5));
    const busy = await rawExchange(at.port, quick);
    assert.match(busy, /^HTTP\/1\.1 503 [\s\S]*retry-after: 5/i);
    for (const socket of held.splice(4)) socket.destroy();
    assert.equal(statusOf(await rawExchange(at.port, quick)), 200);
    for (const socket of held) socket.destroy();
  });

  test('a kept connection that the server closed is no failure of the next request', async () => {
    await using at = await proxied((socket) =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok', () => socket.end()),
    );
    for (let turn = 0; turn < 20; turn++)
      assert.equal(
        statusOf(await rawExchange(at.port, 'GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')),
        200,
      );
  });
});

describe('the end', () => {
  test('connections beyond the limit are not taken, and others go on', async () => {
    await using at = await proxied(ok, { connections: 2 });
    const kept = [];
    for (let turn = 0; turn < 2; turn++) kept.push(await rawDial(at.port, 'GET /x HTTP/1.1\r\nhost: a\r\n\r\n', /ok$/));
    assert.equal(await rawExchange(at.port, 'GET /x HTTP/1.1\r\nhost: a\r\n\r\n'), '');
    for (const { socket, text } of kept) {
      socket.write('GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
      await once(socket, 'close');
      assert.equal(text().match(/200 OK/g)?.length, 2);
    }
  });

  test('RFC 9112 §9.6: a request that is on its way when a drain begins is answered, on a new connection and on a kept one', async () => {
    await using at = await proxied();
    const request = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
    const kept = connect(at.port, '127.0.0.1');
    kept.write(request);
    await once(kept, 'data');
    const fresh = connect(at.port, '127.0.0.1');
    while (at.entry.connections < 2) await new Promise((resolve) => setImmediate(resolve));
    const drained = at.entry.drain(5000);
    for (const socket of [kept, fresh]) {
      socket.write(request);
      assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 OK\r\n[\s\S]*connection: close/i);
    }
    await drained;
  });

  test('RFC 9112 §9.6: a drain lets the request in flight finish, says close, and takes nobody new', async () => {
    const arrived = Promise.withResolvers<Socket>();
    await using at = await proxied(arrived.resolve);
    const idle = await new Promise<Socket>((resolve) => {
      const socket = connect(at.port, '127.0.0.1', () => resolve(socket));
    });
    const answer = rawExchange(at.port, 'GET /x HTTP/1.1\r\nhost: a\r\n\r\n');
    const server = await arrived.promise;
    const drained = at.entry.drain(5000);
    ok(server);
    assert.match(await answer, /^HTTP\/1\.1 200 OK[\s\S]*connection: close[\s\S]*ok$/i);
    await drained;
    if (!idle.closed) await once(idle, 'close');
    assert.equal(at.entry.connections, 0);
    await assert.rejects(once(connect(at.port, '127.0.0.1'), 'connect'));
  });
});
