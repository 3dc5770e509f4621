import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { signedIn, testGateway } from '../support/oauth-client.ts';

interface Server extends AsyncDisposable {
  readonly url: string;
  readonly seen: IncomingMessage[];
  readonly sockets: Duplex[];
}

/** Takes every WebSocket and sends back each byte; refuses at /no. */
async function echo(): Promise<Server> {
  const seen: IncomingMessage[] = [];
  const sockets: Duplex[] = [];
  const server = createServer((_, res) => res.writeHead(426).end());
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    seen.push(req);
    sockets.push(socket);
    socket.on('error', () => {});
    if (req.url === '/no') return socket.end('HTTP/1.1 403 Forbidden\r\nx-why: no\r\ncontent-length: 4\r\n\r\nnope');
    if (req.url === '/silent') return;
    const accept = createHash('sha1')
      .update(`${req.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\nkeep-alive: 5\r\n\r\n`,
    );
    socket.write(head);
    socket.pipe(socket);
    return;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A gateway whose router `open` is public and whose router `shut` is guarded. */
const before = (url: string, limits: object = {}) =>
  testGateway({
    routers: [
      { name: 'shut', rule: 'PathPrefix(`/shut`)', service: 's' },
      { name: 'open', rule: 'PathPrefix(`/`)', service: 's', auth: false },
    ],
    services: { s: { servers: [{ url }] } },
    limits: { drain: '0', ...limits },
  });

/** Sends a handshake, and what follows it at once. Answers the head and a reader of what comes behind it. */
async function knock(url: string, path: string, headers: Record<string, string> = {}, rest = '') {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname);
  const lines = Object.entries({
    host,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n${rest}`);
  const until = reader(socket);
  return { socket, head: (await until(/\r\n\r\n/)).toLowerCase(), until };
}

/** Reads up to what matches, or to the end. */
function reader(socket: Socket): (end: RegExp) => Promise<string> {
  let text = '';
  let ended = false;
  socket.setEncoding('latin1');
  socket.on('data', (part: string) => {
    text += part;
    socket.emit('more');
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    ended = true;
    socket.emit('more');
  });
  return async (end) => {
    while (!end.test(text) && !ended) await once(socket, 'more');
    const found = end.exec(text);
    const length = found ? found.index + found[0].length : text.length;
    const taken = text.slice(0, length);
    text = text.slice(length);
    return taken;
  };
}

test('RFC 6455 §4.2.2: a WebSocket opens, carries bytes both ways and ends on both sides', async () => {
  await using server = await echo();
  await using at = await before(server.url);
  const { socket, head, until } = await knock(
    at.url,
    '/chat?a=b',
    { cookie: 'a=1', 'x-user-id': 'forged', te: 'x' },
    'early',
  );
  assert.match(head, /^http\/1\.1 101 /);
  // The accept value of RFC 6455 §1.3.
  assert.match(head, /sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk\+xoo=/);
  assert.doesNotMatch(head, /keep-alive/);
  assert.equal(await until(/early/), 'early');
  socket.write('hello');
  assert.equal(await until(/hello/), 'hello');
  const [seen] = server.seen;
  assert.equal(seen?.url, '/chat?a=b');
  assert.equal(seen?.headers.cookie, 'a=1');
  assert.equal(seen?.headers['x-user-id'], undefined);
  assert.equal(seen?.headers.te, undefined);
  assert.equal(seen?.headers['x-forwarded-for'], '127.0.0.1');
  const [behind] = server.sockets;
  assert.ok(behind);
  const closed = once(behind, 'close');
  socket.destroy();
  await closed;
});

test('a WebSocket that the server ends, ends for the client', async () => {
  await using server = await echo();
  await using at = await before(server.url);
  const { socket } = await knock(at.url, '/');
  const closed = once(socket, 'close');
  server.sockets[0]?.destroy();
  await closed;
});

test('a WebSocket meets the same guard as any request', async () => {
  await using server = await echo();
  await using at = await before(server.url);
  const refused = await knock(at.url, '/shut');
  assert.match(refused.head, /^http\/1\.1 401 [\s\S]*www-authenticate: bearer resource_metadata=/);
  refused.socket.destroy();
  assert.equal(server.seen.length, 0);
  const { tokens } = await signedIn(at.url, { resource: `${at.url}/shut` });
  const { socket, head } = await knock(at.url, '/shut', { authorization: `Bearer ${tokens.access_token}` });
  assert.match(head, /^http\/1\.1 101 /);
  assert.equal(server.seen[0]?.headers['x-user-name'], 'alice');
  assert.equal(server.seen[0]?.headers.authorization, undefined);
  socket.destroy();
});

test('RFC 6455 §4.2.2: the refusal of a server reaches the client whole', async () => {
  await using server = await echo();
  await using at = await before(server.url);
  const { socket, head, until } = await knock(at.url, '/no');
  assert.match(head, /^http\/1\.1 403 [\s\S]*x-why: no/);
  assert.equal(await until(/nope/), 'nope');
  socket.destroy();
});

test('RFC 9110 §15.6.3, §15.6.5: no server is 502, one that does not answer 504, and too many are 503', async () => {
  await using none = await before('http://127.0.0.1:9');
  const down = await knock(none.url, '/');
  assert.match(down.head, /^http\/1\.1 502 /);
  down.socket.destroy();

  const hold: Socket[] = [];
  const silent = createTcpServer((socket) => hold.push(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  await using late = await before(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`, {
    responseTimeout: '50ms',
  });
  const mute = await knock(late.url, '/');
  assert.match(mute.head, /^http\/1\.1 504 /);
  mute.socket.destroy();
  for (const socket of hold) socket.destroy();
  silent.close();

  await using server = await echo();
  await using narrow = await before(server.url, { upstreamStreams: 1 });
  const first = await knock(narrow.url, '/');
  const second = await knock(narrow.url, '/');
  assert.match(second.head, /^http\/1\.1 503 /);
  second.socket.destroy();
  const gone = server.sockets[0];
  assert.ok(gone);
  const closed = once(gone, 'close');
  first.socket.destroy();
  await closed;
});

test('h2c and other upgrades never become a tunnel', async () => {
  await using server = await echo();
  await using at = await before(server.url);
  const { socket, head } = await knock(at.url, '/', { upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' });
  assert.match(head, /^http\/1\.1 426 /);
  assert.equal(server.seen.length, 0);
  socket.destroy();
});

test('a stop ends WebSockets without waiting for them', async () => {
  await using server = await echo();
  const at = await before(server.url, { drain: '1h' });
  const { socket } = await knock(at.url, '/');
  const closed = once(socket, 'close');
  await at[Symbol.asyncDispose]();
  await closed;
});

/** As a server sends it, RFC 6455 §5.2: opcode and payload, unmasked. */
const frame = (opcode: number, payload: string) =>
  Buffer.concat([Buffer.from([0x80 | opcode, payload.length]), Buffer.from(payload, 'latin1')]).toString('latin1');

/** A masked control frame that came to the server: its opcode and payload. */
function unmasked(bytes: Buffer): { opcode: number; payload: string } {
  const [first = 0, second = 0] = bytes;
  assert.ok(second & 0x80, 'RFC 6455 §5.3: what goes to a server is masked');
  const payload = Buffer.from(bytes.subarray(6, 6 + (second & 0x7f)));
  for (const [at, byte] of payload.entries()) payload[at] = byte ^ (bytes[2 + (at % 4)] ?? 0);
  return { opcode: first & 0xf, payload: payload.toString('latin1') };
}

test('RFC 6455 §7.4.1: a stop tells both ends that it goes away, and a real client takes that for an orderly end', async () => {
  await using server = await echo();
  const at = await before(server.url, { drain: '1h' });
  const socket = new WebSocket(at.url.replace('http', 'ws'));
  await once(socket, 'open');
  const [behind] = server.sockets;
  assert.ok(behind);
  behind.unpipe().resume();
  const heard = once(behind, 'data');
  const closed = once(socket, 'close');
  const stopped = at[Symbol.asyncDispose]();
  assert.deepEqual(unmasked((await heard)[0]), { opcode: 8, payload: '\x03\xe9' });
  const [event] = await closed;
  assert.deepEqual([event.code, event.wasClean], [1001, true]);
  await stopped;
});

test('RFC 6455 §5.4: no frame is put into another one; a farewell waits for its end, and what comes after is not passed', async () => {
  await using server = await echo();
  const at = await before(server.url, { drain: '1h' });
  const { until } = await knock(at.url, '/');
  const [behind] = server.sockets;
  assert.ok(behind);
  behind.unpipe().resume();
  const message = frame(1, 'x'.repeat(100));
  behind.write(message.slice(0, 40), 'latin1');
  assert.equal(await until(/x{38}/), message.slice(0, 40));
  // The server, to whom nothing is under way, hears of the stop first.
  const heard = once(behind, 'data');
  const stopped = at[Symbol.asyncDispose]();
  await heard;
  behind.write(`${message.slice(40)}${frame(1, 'late')}`, 'latin1');
  assert.equal(await until(/never/), `${message.slice(40)}${frame(8, '\x03\xe9')}`);
  await stopped;
});

test('RFC 6455 §5.5.2: who is silent is pinged, who answers stays, and who does not is cut from both sides', async () => {
  await using server = await echo();
  await using at = await before(server.url, { stall: '200ms' });
  const { socket, until } = await knock(at.url, '/');
  const [behind] = server.sockets;
  assert.ok(behind);
  behind.unpipe().resume();
  behind.on('data', (bytes: Buffer) => bytes[0] === 0x89 && behind.write(frame(10, ''), 'latin1'));
  for (let round = 0; round < 3; round += 1) {
    assert.match(await until(/\x89\0/), /\x89\0$/);
    socket.write('\x8a\x80abcd', 'latin1');
  }
  await Promise.all([once(socket, 'close'), once(behind, 'end')]);
});
