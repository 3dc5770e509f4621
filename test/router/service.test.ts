import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { silent } from '../../src/log.ts';
import { limitsConfig } from '../../src/router/config.ts';
import { listen } from '../../src/router/entrypoint.ts';
import { failures, watched } from '../../src/router/health.ts';
import { routingConfig } from '../../src/router/routing-config.ts';
import { service } from '../../src/router/service.ts';
import { fewerInFlight, weightedRoundRobin } from '../../src/router/weighted.ts';
import { site } from '../support/site.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** An entrypoint before the service `s`. */
async function front(s: object, limits = limitsConfig.parse({ drain: '0', connectTimeout: '1s' })) {
  const held = new AsyncDisposableStack();
  const config = routingConfig.parse({ services: { s } }).services.s;
  assert.ok(config);
  const opened = held.use(service('s', config, { log: silent, limits }));
  const options = { address: '127.0.0.1:0', limits, log: silent, accessLog: false };
  const entrypoint = held.use(await listen(options, opened.service));
  return { url: `http://${entrypoint.address}`, opened, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

const named =
  (name: string): RequestListener =>
  (_, res) =>
    res.end(name);

test('weights 5, 1, 1 are spread out: a a b a c a a', () => {
  const servers = [
    { name: 'a', weight: 5 },
    { name: 'b', weight: 1 },
    { name: 'c', weight: 1 },
  ];
  const next = weightedRoundRobin<(typeof servers)[number]>();
  assert.equal(Array.from({ length: 14 }, () => next(servers)?.name).join(''), 'aabacaaaabacaa');
  assert.equal(next([]), undefined);
});

const loads: [
  title: string,
  servers: { name: string; weight: number; busy: number }[],
  expected: string | undefined,
][] = [
  [
    'the one with fewer requests',
    [
      { name: 'a', weight: 1, busy: 3 },
      { name: 'b', weight: 1, busy: 1 },
    ],
    'b',
  ],
  [
    'the one with fewer for its weight',
    [
      { name: 'a', weight: 4, busy: 3 },
      { name: 'b', weight: 1, busy: 1 },
    ],
    'a',
  ],
  [
    'never one with weight 0',
    [
      { name: 'a', weight: 0, busy: 0 },
      { name: 'b', weight: 1, busy: 9 },
    ],
    'b',
  ],
  ['none where there is none', [{ name: 'a', weight: 0, busy: 0 }], undefined],
];
for (const [title, servers, expected] of loads) {
  test(`p2c takes ${title}`, () => {
    for (const random of [0, 0.4, 0.99])
      assert.equal(fewerInFlight(() => random)(servers)?.['name' as never], expected);
  });
}

test('sticky by cookie: a client comes back to its server, and the cookie tells no address', async () => {
  await using a = await site(named('a'));
  await using b = await site(named('b'));
  await using at = await front({ servers: [{ url: a.url }, { url: b.url }], sticky: { cookie: { name: 'lb' } } });
  const first = await fetch(at.url);
  const name = await first.text();
  const [cookie = ''] = first.headers.getSetCookie();
  assert.match(cookie, /^lb=[0-9a-f]{16}; Path=\/; SameSite=lax; HttpOnly$/);
  const headers = { cookie: cookie.split(';')[0] ?? '' };
  for (let round = 0; round < 4; round += 1) {
    const again = await fetch(at.url, { headers });
    assert.equal(await again.text(), name);
    assert.deepEqual(again.headers.getSetCookie(), []);
  }
  const stranger = await fetch(at.url, { headers: { cookie: 'lb=unknown' } });
  assert.equal(stranger.headers.getSetCookie().length, 1, 'a cookie of no server is replaced');
  await stranger.text();
});

test('MCP 2025-11-25 Session Management: a session stays with the server that gave its id out', async () => {
  const begins =
    (name: string): RequestListener =>
    (req, res) => {
      if (req.headers['mcp-session-id'] === undefined) res.setHeader('Mcp-Session-Id', `of-${name}`);
      res.end(name);
    };
  await using a = await site(begins('a'));
  await using b = await site(begins('b'));
  const s = { servers: [{ url: a.url }, { url: b.url }], sticky: { header: 'Mcp-Session-Id' } };
  await using at = await front(s);
  for (let round = 0; round < 2; round += 1) await (await fetch(at.url, { method: 'POST' })).text();
  const ask = async (url: string, session: string) =>
    (await fetch(url, { method: 'POST', headers: { 'mcp-session-id': session } })).text();
  for (const name of ['a', 'b', 'b', 'a', 'b']) assert.equal(await ask(at.url, `of-${name}`), name);
  // A gateway that does not know the session makes the same choice as any other.
  await using other = await front(s);
  const chosen = await ask(at.url, 'from-before');
  for (let round = 0; round < 3; round += 1) assert.equal(await ask(other.url, 'from-before'), chosen);
});

test('passiveHealthCheck: a server that cannot be reached is left alone, but the last one never is', async () => {
  await using a = await site(named('a'));
  const dead = 'http://127.0.0.1:9';
  await using at = await front({ servers: [{ url: dead }, { url: a.url }], passiveHealthCheck: {} });
  const statuses: number[] = [];
  for (let round = 0; round < 5; round += 1) statuses.push((await fetch(at.url)).status);
  assert.deepEqual(statuses, [502, 200, 200, 200, 200]);
  await using alone = await front({ servers: [{ url: dead }], passiveHealthCheck: {} });
  for (let round = 0; round < 3; round += 1) assert.equal((await fetch(alone.url)).status, 502);
});

test('passiveHealthCheck counts failures in its window', () => {
  let time = 0;
  const failed = failures({ failureWindow: 10, maxFailedAttempts: 2 }, () => time);
  const note = (at: number) => {
    time = at;
    failed.note();
    return failed.many;
  };
  assert.deepEqual([note(0), note(11), note(15)], [false, false, true]);
  time = 24;
  assert.equal(failed.many, true);
  time = 25;
  assert.equal(failed.many, false);
});

test('healthCheck: three bad answers in a row take a server out, two good ones bring it back', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const answers: (number | Error)[] = [200, 500, 500, 200, 503, new Error('refused'), 404, 200, 500, 302, 204];
  const seen: boolean[] = [];
  const config = routingConfig.parse({
    services: {
      s: { servers: [{ url: 'http://a' }], healthCheck: { path: '/ok', interval: '10s', unhealthyInterval: '1s' } },
    },
  }).services.s?.healthCheck;
  assert.ok(config);
  const watch = watched(
    's',
    async (path, timeout) => {
      assert.equal(`${path} ${timeout}`, '/ok 5');
      const answer = answers.shift();
      if (typeof answer === 'number') return answer;
      throw answer;
    },
    config,
    silent,
  );
  while (answers.length > 0) {
    t.mock.timers.tick(10_000);
    for (let round = 0; round < 3; round += 1) await turn();
    seen.push(watch.up);
  }
  assert.deepEqual(seen.map(Number), [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1]);
  watch[Symbol.dispose]();
});

test('RFC 9110 §15.6.4: where no server is healthy the answer is 503, and there is one again when one is', async () => {
  let well = false;
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  await using app = await site((req, res) => {
    if (req.url === '/health') {
      res.writeHead(well ? 204 : 500).end();
      if (!well) resolve();
    } else res.end('ok');
  });
  const healthCheck = { path: '/health', interval: '5ms', unhealthyThreshold: 1, healthyThreshold: 1 };
  await using at = await front({ servers: [{ url: app.url }], healthCheck });
  await asked;
  let answer = await fetch(at.url);
  while (answer.status === 200) answer = await fetch(at.url);
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get('retry-after'), '5');
  well = true;
  while (answer.status === 503) answer = await fetch(at.url);
  assert.equal(await answer.text(), 'ok');
});

test('an https server is verified by its own authority and name, whatever Host the client sends', async () => {
  await using directory = await temporaryDirectory();
  const [cert, key] = [join(directory.path, 'cert.pem'), join(directory.path, 'key.pem')];
  const words = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=app.internal';
  const names = ['-addext', 'subjectAltName=DNS:app.internal,IP:127.0.0.1', '-keyout', key, '-out', cert];
  execFileSync('openssl', [...words.split(' '), ...names], { stdio: 'ignore' });
  const pem = readFileSync(cert, 'utf8');
  const server = createServer({ cert: pem, key: readFileSync(key) }, (req, res) => {
    const { servername } = req.socket as unknown as { servername: string | false };
    res.end(`${servername} ${req.headers.host}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const servers = [{ url: `https://127.0.0.1:${port}` }];
  try {
    await using trusting = await front({ servers, serversTransport: { rootCAs: [pem], serverName: 'app.internal' } });
    assert.equal(await (await fetch(trusting.url)).text(), `app.internal ${new URL(trusting.url).host}`);
    await using byAddress = await front({ servers, serversTransport: { rootCAs: [pem] } });
    assert.match(await (await fetch(byAddress.url)).text(), /^false /);
    await using misnamed = await front({ servers, serversTransport: { rootCAs: [pem], serverName: 'other.internal' } });
    assert.equal((await fetch(misnamed.url)).status, 502);
    await using doubting = await front({ servers });
    assert.equal((await fetch(doubting.url)).status, 502);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
