import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { test } from 'node:test';
import { silent } from '../../src/log.ts';
import { type Limits, limitsConfig } from '../../src/router/config.ts';
import { listen } from '../../src/router/entrypoint.ts';
import { upstream } from '../../src/router/upstream.ts';

interface Proxied extends AsyncDisposable {
  readonly url: string;
  readonly seen: IncomingMessage[];
  readonly server: Server;
}

/** A gateway in front of one HTTP server. */
async function proxied(answer: RequestListener, changed: Partial<Limits> = {}): Promise<Proxied> {
  const seen: IncomingMessage[] = [];
  const server = createServer((req, res) => {
    seen.push(req);
    answer(req, res);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const front = await inFrontOf(`http://127.0.0.1:${port}/mcp`, changed);
  return {
    url: front.url,
    seen,
    server,
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
    },
  };
}

async function inFrontOf(url: string, changed: Partial<Limits> = {}): Promise<AsyncDisposable & { url: string }> {
  const limits = { ...limitsConfig.parse({}), drain: 0, ...changed };
  const service = upstream({ url, headers: { 'X-Api-Key': 'key' } }, { log: silent, limits });
  const caller = { subject: 'github:1', username: 'Zoë', clientId: 'c', scope: new Set<string>(), expiresAt: 0 };
  const entrypoint = await listen({ address: '127.0.0.1:0', limits, log: silent }, (exchange) =>
    service.service({ ...exchange, caller }),
  );
  return {
    url: `http://${entrypoint.address}/some/path`,
    async [Symbol.asyncDispose]() {
      await entrypoint[Symbol.asyncDispose]();
      await service[Symbol.asyncDispose]();
    },
  };
}

const post = (url: string, init: RequestInit = {}) => fetch(url, { method: 'POST', body: '{"a":1}', ...init });

test('MCP authorization: the token and cookies of the client stay here, the caller is told instead', async () => {
  await using at = await proxied((_, res) => res.end('ok'));
  const headers = {
    authorization: 'Bearer secret',
    cookie: 'a=b',
    'x-user-id': 'forged',
    x_user_id: 'forged',
    'x-forwarded-for': '9.9.9.9',
    'mcp-session-id': 's',
    'x-api-key': 'mine',
  };
  assert.equal(await (await post(at.url, { headers })).text(), 'ok');
  const got = at.seen[0]?.headers ?? {};
  assert.equal(at.seen[0]?.url, '/mcp');
  assert.equal(got.authorization, undefined);
  assert.equal(got.cookie, undefined);
  assert.equal(got.x_user_id, undefined);
  assert.equal(got['x-user-id'], 'github:1');
  assert.equal(got['x-user-name'], 'Zo%C3%AB');
  assert.equal(got['x-client-id'], 'c');
  assert.equal(got['x-forwarded-for'], '127.0.0.1');
  assert.equal(got['mcp-session-id'], 's');
  assert.equal(got['x-api-key'], 'key');
});

test('RFC 9110 §7.6.1: hop-by-hop headers end here, both ways, and cost no slot', async () => {
  await using at = await proxied(
    (_, res) => {
      res
        .setHeader('x-once', '1')
        .setHeader('connection', 'x-once')
        .setHeader('x-kept', '2')
        .setHeader('access-control-allow-origin', '*');
      res.end('ok');
    },
    { upstreamConnections: 1 },
  );
  for (let round = 0; round < 5; round += 1) {
    const response = await post(at.url, { headers: { te: 'gzip', 'proxy-connection': 'keep-alive' } });
    assert.equal(await response.text(), 'ok');
    assert.equal(response.headers.get('x-once'), null);
    assert.equal(response.headers.get('access-control-allow-origin'), null);
    assert.equal(response.headers.get('x-kept'), '2');
  }
  assert.equal(at.seen[0]?.headers.te, undefined);
});

test('an event reaches the client before the next one is made', async () => {
  let next = () => {};
  await using at = await proxied((_, res) => {
    res.setHeader('content-type', 'text/event-stream').write('data: 1\n\n');
    next = () => res.end('data: 2\n\n');
  });
  const reader = (await post(at.url)).body?.getReader();
  const decoder = new TextDecoder();
  assert.equal(decoder.decode((await reader?.read())?.value), 'data: 1\n\n');
  next();
  assert.equal(decoder.decode((await reader?.read())?.value), 'data: 2\n\n');
});

test('a client that leaves takes its request to the server with it', async () => {
  const closed = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  await using at = await proxied((_, res) => {
    res.once('close', () => closed.resolve());
    arrived.resolve();
  });
  const leave = new AbortController();
  const response = post(at.url, { signal: leave.signal });
  await arrived.promise;
  leave.abort();
  await assert.rejects(response);
  await closed.promise;
});

test('RFC 9110 §15.6.3: a server that cannot be reached is 502, without its address', async () => {
  await using at = await inFrontOf('http://127.0.0.1:1/mcp');
  const response = await post(at.url);
  assert.equal(response.status, 502);
  assert.doesNotMatch(await response.text(), /127\.0\.0\.1/);
});

test('RFC 9110 §15.6.5: a server that does not begin its answer in time is 504', async () => {
  await using at = await proxied(() => {}, { responseTimeout: 0.2 });
  assert.equal((await post(at.url)).status, 504);
});

test('RFC 9112 §8: an answer that breaks off in the middle breaks off for the client', async () => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\nhalf');
      setImmediate(() => socket.destroy());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await using at = await inFrontOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
    await assert.rejects(post(at.url).then((response) => response.text()));
  } finally {
    server.close();
  }
});

test('requests beyond the limits wait, then get 503', async () => {
  await using at = await proxied(() => {}, { upstreamConnections: 1, upstreamQueue: 1, upstreamQueueWait: 0.1 });
  const leave = new AbortController();
  const held = post(at.url, { signal: leave.signal }).catch(() => undefined);
  await once(at.server, 'request');
  const [one, two] = await Promise.all([post(at.url), post(at.url)]);
  assert.deepEqual([one.status, two.status], [503, 503]);
  assert.equal(one.headers.get('retry-after'), '5');
  leave.abort();
  await held;
});

test('RFC 9110 §15.4.8: a redirect within the server is followed with method and body', async () => {
  await using at = await proxied(async (req, res) => {
    if (req.url === '/mcp') return void res.writeHead(307, { location: '/mcp/' }).end();
    const chunks = await req.toArray();
    res.end(`${req.method} ${req.url} ${Buffer.concat(chunks)}`);
  });
  assert.equal(await (await post(at.url)).text(), 'POST /mcp/ {"a":1}');
});

test('a large answer passes whole, and a body beyond the limit is 413', async () => {
  const large = Buffer.alloc(5_000_000, 'x');
  await using at = await proxied((_, res) => res.end(large), { body: 1000 });
  assert.equal((await (await post(at.url)).arrayBuffer()).byteLength, large.length);
  assert.equal((await post(at.url, { body: 'x'.repeat(1001) })).status, 413);
});
