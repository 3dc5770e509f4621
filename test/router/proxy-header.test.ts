import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { silent } from '../../src/log.ts';
import { limitsConfig } from '../../src/router/config.ts';
import { listen } from '../../src/router/entrypoint.ts';
import { proxyHeader } from '../../src/router/proxy-header.ts';
import { certified } from '../support/https-front.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

function second(command: number, family: number, rest: readonly number[], announced = rest.length): Buffer {
  return Buffer.concat([signature, Buffer.from([0x20 | command, family, announced >> 8, announced & 255, ...rest])]);
}
const four = [203, 0, 113, 7, 127, 0, 0, 1, 4, 1, 1, 187];
const six = [...[0x20, 1, 0xd, 0xb8], ...new Array(11).fill(0), 1, ...new Array(16).fill(0), 4, 1, 1, 187];

describe('PROXY protocol', () => {
  const cases: { title: string; bytes: Buffer | string; got: ReturnType<typeof proxyHeader> }[] = [
    {
      title: '§2.1: TCP4',
      bytes: 'PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\nGET',
      got: { length: 43, address: '203.0.113.7' },
    },
    { title: '§2.1: TCP6', bytes: 'PROXY TCP6 2001:db8::1 ::1 1 443\r\n', got: { length: 34, address: '2001:db8::1' } },
    { title: '§2.1: UNKNOWN', bytes: 'PROXY UNKNOWN ffff:: ffff:: 1 2\r\n', got: { length: 33, address: undefined } },
    { title: 'half a line waits', bytes: 'PROXY TCP4 203.0', got: undefined },
    { title: 'half a word waits', bytes: 'PRO', got: undefined },
    { title: 'another word', bytes: 'GET / HTTP/1.1\r\n', got: 'faulty' },
    { title: 'an address of another family', bytes: 'PROXY TCP4 2001:db8::1 ::1 1 443\r\n', got: 'faulty' },
    { title: 'no address', bytes: 'PROXY TCP4 localhost 10.0.0.1 1 2\r\n', got: 'faulty' },
    { title: 'a port too large', bytes: 'PROXY TCP4 203.0.113.7 10.0.0.1 65536 2\r\n', got: 'faulty' },
    { title: 'a word too many', bytes: 'PROXY TCP4 203.0.113.7 10.0.0.1 1 2 3\r\n', got: 'faulty' },
    { title: 'a family unheard of', bytes: 'PROXY UDP4 203.0.113.7 10.0.0.1 1 2\r\n', got: 'faulty' },
    { title: '§2.1: a line of more than 107 bytes', bytes: `PROXY UNKNOWN ${'x'.repeat(94)}\r\n`, got: 'faulty' },
    { title: '§2.2: TCP over IPv4', bytes: second(1, 0x11, four), got: { length: 28, address: '203.0.113.7' } },
    { title: '§2.2: TCP over IPv6', bytes: second(1, 0x21, six), got: { length: 52, address: '2001:db8::1' } },
    {
      title: '§2.2: additions are passed over',
      bytes: second(1, 0x11, [...four, 4, 0, 1, 0]),
      got: { length: 32, address: '203.0.113.7' },
    },
    { title: '§2.2: LOCAL speaks for the proxy', bytes: second(0, 0, []), got: { length: 16, address: undefined } },
    { title: '§2.2: a family we do not know', bytes: second(1, 0x31, four), got: { length: 28, address: undefined } },
    { title: '§2.2: addresses cut short', bytes: second(1, 0x11, four.slice(0, 8)), got: 'faulty' },
    {
      title: '§2.2: another version',
      bytes: Buffer.concat([signature, Buffer.from([0x11, 0x11, 0, 0])]),
      got: 'faulty',
    },
    { title: '§2.2: a command unheard of', bytes: second(2, 0x11, four), got: 'faulty' },
    { title: '§2.2: more than we care to read', bytes: second(1, 0x11, [], 65535), got: 'faulty' },
    { title: '§2.2: half a signature waits', bytes: signature.subarray(0, 5), got: undefined },
    { title: '§2.2: half the addresses wait', bytes: second(1, 0x11, four).subarray(0, 20), got: undefined },
  ];
  for (const { title, bytes, got } of cases)
    test(title, () => assert.deepEqual(proxyHeader(Buffer.from(bytes as string, 'latin1')), got));
});

async function front(trusted: readonly string[], secure?: { cert: string; key: string }) {
  const limits = { ...limitsConfig.parse({}), drain: 0, headTimeout: 1 };
  const options = { address: '127.0.0.1:0', trustedProxies: trusted, proxyProtocol: true, limits, log: silent };
  const attached = secure && { secure: { options: secure, attach: () => {} } };
  return await listen({ ...options, ...attached }, ({ clientAddress, req }) => ({
    status: 200,
    body: `${clientAddress} ${req.headers['x-forwarded-for'] ?? '-'}`,
  }));
}

const head = 'GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 9.9.9.9\r\nconnection: close\r\n\r\n';

async function said(port: number, ...parts: (string | Buffer)[]): Promise<string> {
  const socket = connect(port, '127.0.0.1').setNoDelay();
  socket.on('error', () => {});
  for (const part of parts) {
    socket.write(part, 'latin1' as never);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'close');
  return Buffer.concat(chunks).toString();
}

test('a trusted peer names the client, whole or in pieces, and the client’s own word on where it is from is not believed', async () => {
  await using entry = await front(['127.0.0.1']);
  for (const parts of [
    [`PROXY TCP4 203.0.113.7 10.0.0.1 1 2\r\n${head}`],
    ['PRO', 'XY TCP4 203.0.113.7 10.0.0.1 1 2\r', '\n', head],
    [second(1, 0x11, four), head],
    [second(1, 0x11, four).subarray(0, 9), second(1, 0x11, four).subarray(9), head],
  ])
    assert.match(await said(entry.port, ...parts), /\r\n203\.0\.113\.7 -$/);
});

test('a trusted peer that speaks for itself is itself', async () => {
  await using entry = await front(['127.0.0.1']);
  assert.match(await said(entry.port, second(0, 0, []), head), /\r\n9\.9\.9\.9 9\.9\.9\.9$/);
});

test('a trusted peer without the header, or with a faulty or unfinished one, is cut without an answer', async () => {
  await using entry = await front(['127.0.0.1']);
  for (const bytes of [head, 'PROXY TCP4 a b 1 2\r\n', 'PROXY TCP4 203.'])
    assert.equal(await said(entry.port, bytes), '');
});

test('from a peer that is not trusted the header is refused as the bad request it is', async () => {
  await using entry = await front(['10.0.0.0/8']);
  assert.match(await said(entry.port, `PROXY TCP4 203.0.113.7 10.0.0.1 1 2\r\n${head}`), /^HTTP\/1\.1 400 /);
  assert.match(await said(entry.port, second(1, 0x11, four)), /^HTTP\/1\.1 400 /);
  assert.match(await said(entry.port, head), /\r\n127\.0\.0\.1 -$/);
});

test('the header comes before TLS, for HTTP/2 as for HTTP/1.1', async () => {
  await using directory = await temporaryDirectory();
  const { certificate, rootFile } = await certified(directory.path, ['localhost']);
  await using entry = await front(['127.0.0.1'], { cert: certificate.chain, key: certificate.key });
  const ca = await readFile(rootFile, 'utf8');
  const dial = async (protocol: string): Promise<Socket> => {
    const socket = connect(entry.port, '127.0.0.1');
    socket.write(second(1, 0x21, six));
    const secure = connectTls({ socket, servername: 'localhost', ca, ALPNProtocols: [protocol] });
    await once(secure, 'secureConnect');
    return secure;
  };
  const first = await dial('http/1.1');
  first.write(head);
  assert.match(String((await first.toArray()).join('')), /\r\n2001:db8::1 -$/);
  const socket = await dial('h2');
  const session: ClientHttp2Session = connectHttp2('https://localhost', { createConnection: () => socket });
  const stream = session.request({ ':path': '/' });
  assert.equal(Buffer.concat(await stream.toArray()).toString(), '2001:db8::1 -');
  session.destroy();
});
