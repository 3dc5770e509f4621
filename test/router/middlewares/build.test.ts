import assert from 'node:assert/strict';
import { createHash, scryptSync } from 'node:crypto';
import { request } from 'node:http';
import { test } from 'node:test';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { silent } from '../../../src/log.ts';
import { limitsConfig } from '../../../src/router/config.ts';
import { listen } from '../../../src/router/entrypoint.ts';
import { type Handler, refusal } from '../../../src/router/handler.ts';
import { middlewareBuilder } from '../../../src/router/middlewares/build.ts';
import { circuitBreaker } from '../../../src/router/middlewares/circuit-breaker.ts';
import { bestEncoding } from '../../../src/router/middlewares/compress.ts';
import { middlewaresConfig } from '../../../src/router/middlewares/config.ts';
import { network } from '../../../src/router/middlewares/request-key.ts';
import { upstream } from '../../../src/router/upstream.ts';
import { site } from '../../support/site.ts';

interface Front extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
}

/** An entrypoint whose requests pass the middleware `m` on their way to the service. */
async function front(configs: object, service: Handler, trustedProxies: readonly string[] = []): Promise<Front> {
  const held = new AsyncDisposableStack();
  const limits = { ...limitsConfig.parse({}), drain: 0 };
  const handler = middlewareBuilder(middlewaresConfig.parse(configs), held)('m')(service);
  const entrypoint = held.use(
    await listen({ address: '127.0.0.1:0', limits, log: silent, accessLog: false, trustedProxies }, handler),
  );
  const { address, port } = entrypoint;
  return { url: `http://${address}`, port, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

const toSite = (url: string) =>
  upstream({ url, headers: {}, as: 'site', passHostHeader: true }, { log: silent, limits: limitsConfig.parse({}) });

/** What the service sees, told in its answer. */
const mirror: Handler = ({ req, path, query, replaced, clientAddress }) => ({
  status: 200,
  body: { method: req.method, path, query, replaced: replaced ?? {}, clientAddress },
});

interface Expected {
  readonly status: number;
  readonly path?: string;
  readonly replaced?: Record<string, string>;
  readonly headers?: Record<string, string | null>;
}

/** A GET whose path is sent as it is, with whatever Host. */
function raw(at: Front, path: string, headers: Record<string, string>, method: string) {
  return new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port: at.port, path, headers, method, agent: false }, (res) => {
      let body = '';
      res.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body }));
    });
    req.on('error', reject).end();
  });
}

const https = { 'x-forwarded-proto': 'https' };
const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
const sha = `alice:{SHA}${createHash('sha1').update('secret').digest('base64')}`;
// Made with: openssl passwd -apr1 -salt abcdefgh 'correct horse battery'
const md5 = 'bob:$apr1$abcdefgh$GQF3hbcxO2ySp4igPQ/3a.';
const salt = Buffer.alloc(16, 7);
const key = scryptSync('secret', salt, 32, { N: 16, r: 8, p: 1 });
const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
const phc = `carol:$scrypt$ln=4,r=8,p=1$${base64(salt)}$${base64(key)}`;

const cors = {
  accessControlAllowOriginList: ['https://a.example'],
  accessControlAllowOriginListRegex: ['^https://[a-z]+\\.b\\.example$'],
  accessControlAllowMethods: ['GET', 'PUT'],
  accessControlAllowHeaders: ['X-A'],
  accessControlExposeHeaders: ['X-B'],
  accessControlMaxAge: 60,
  addVaryHeader: true,
};

const cases: [
  title: string,
  m: object,
  asked: [path: string, headers?: Record<string, string>, method?: string],
  Expected,
][] = [
  [
    'stripPrefix cuts the first that fits',
    { stripPrefix: { prefixes: ['/x', '/api'] } },
    ['/api/v1?a=b'],
    { status: 200, path: '/v1', replaced: { 'x-forwarded-prefix': '/api' } },
  ],
  ['stripPrefix leaves a slash', { stripPrefix: { prefixes: ['/api'] } }, ['/api'], { status: 200, path: '/' }],
  [
    'stripPrefix leaves other paths alone',
    { stripPrefix: { prefixes: ['/api'] } },
    ['/other'],
    { status: 200, path: '/other', replaced: {} },
  ],
  [
    'stripPrefix: what would climb out is 400',
    { stripPrefix: { prefixes: ['/api'] } },
    ['/api../secret'],
    { status: 400 },
  ],
  ['addPrefix', { addPrefix: { prefix: '/base/' } }, ['/a'], { status: 200, path: '/base/a' }],
  [
    'redirectScheme, GET',
    { redirectScheme: { scheme: 'https' } },
    ['/a?b=c', { host: 'a.example:80' }],
    { status: 302, headers: { location: 'https://a.example/a?b=c' } },
  ],
  [
    'RFC 9110 §15.4.9: redirectScheme keeps the method of a POST',
    { redirectScheme: { scheme: 'https', port: '8443', permanent: true } },
    ['/a', { host: 'a.example' }, 'POST'],
    { status: 308, headers: { location: 'https://a.example:8443/a' } },
  ],
  [
    'redirectScheme lets the right scheme pass',
    { redirectScheme: { scheme: 'https' } },
    ['/a', https],
    { status: 200 },
  ],
  [
    'redirectRegex',
    {
      redirectRegex: { regex: '^http://old\\.example/(.*)$', replacement: 'https://new.example/$1', permanent: true },
    },
    ['/x/y?z=1', { host: 'old.example' }],
    { status: 301, headers: { location: 'https://new.example/x/y?z=1' } },
  ],
  [
    'redirectRegex leaves what does not match',
    { redirectRegex: { regex: '^http://old/', replacement: 'x' } },
    ['/x'],
    { status: 200 },
  ],
  [
    'RFC 7617 §2: basicAuth without credentials is 401 with the realm',
    { basicAuth: { users: [sha] } },
    ['/'],
    { status: 401, headers: { 'www-authenticate': 'Basic realm="traefik", charset="UTF-8"' } },
  ],
  [
    'basicAuth with {SHA}',
    { basicAuth: { users: [sha], removeHeader: true, headerField: 'X-Who' } },
    ['/', basic('alice:secret')],
    { status: 200, replaced: { authorization: '', 'x-who': 'alice' } },
  ],
  ['basicAuth with scrypt', { basicAuth: { users: [phc] } }, ['/', basic('carol:secret')], { status: 200 }],
  ['basicAuth with a wrong password', { basicAuth: { users: [phc] } }, ['/', basic('carol:Secret')], { status: 401 }],
  ['basicAuth with an unknown name', { basicAuth: { users: [sha] } }, ['/', basic('mallory:secret')], { status: 401 }],
  ['basicAuth without a colon', { basicAuth: { users: [sha] } }, ['/', basic('alice')], { status: 401 }],
  ['ipAllowList', { ipAllowList: { sourceRange: ['127.0.0.0/8'] } }, ['/'], { status: 200 }],
  [
    'ipAllowList sees the client behind a trusted proxy',
    { ipAllowList: { sourceRange: ['127.0.0.0/8'] } },
    ['/', { 'x-forwarded-for': '192.0.2.1' }],
    { status: 403 },
  ],
  [
    'ipAllowList with a status of its own',
    { ipAllowList: { sourceRange: ['10.0.0.0/8'], rejectStatusCode: 404 } },
    ['/'],
    { status: 404 },
  ],
  [
    'RFC 9110 §15.5.14: buffering refuses a larger body before it is read',
    { buffering: { maxRequestBodyBytes: 10 } },
    ['/', { 'content-length': '11' }, 'POST'],
    { status: 413 },
  ],
  [
    'headers for the service',
    { headers: { customRequestHeaders: { 'X-A': '1', 'X-B': '' } } },
    ['/'],
    { status: 200, replaced: { 'x-a': '1', 'x-b': '' } },
  ],
  [
    'headers for the client, errors included',
    { chain: { middlewares: ['h', 'deny'] } },
    ['/'],
    { status: 403, headers: { 'x-a': '1', 'x-frame-options': 'DENY', 'x-content-type-options': 'nosniff' } },
  ],
  [
    'RFC 6797 §7.2: no Strict-Transport-Security over plain HTTP',
    { headers: { stsSeconds: 60 } },
    ['/'],
    { status: 200, headers: { 'strict-transport-security': null } },
  ],
  [
    'Strict-Transport-Security over TLS',
    { headers: { stsSeconds: 60, stsIncludeSubdomains: true, stsPreload: true } },
    ['/', https],
    { status: 200, headers: { 'strict-transport-security': 'max-age=60; includeSubDomains; preload' } },
  ],
  [
    'WHATWG Fetch §3.3: a listed origin may read',
    { headers: cors },
    ['/', { origin: 'https://a.example' }],
    {
      status: 200,
      headers: {
        'access-control-allow-origin': 'https://a.example',
        'access-control-expose-headers': 'X-B',
        vary: 'Origin',
      },
    },
  ],
  [
    'an origin that a pattern matches may read',
    { headers: cors },
    ['/', { origin: 'https://x.b.example' }],
    { status: 200, headers: { 'access-control-allow-origin': 'https://x.b.example' } },
  ],
  [
    'another origin may not',
    { headers: cors },
    ['/', { origin: 'https://x.b.example.evil' }],
    { status: 200, headers: { 'access-control-allow-origin': null } },
  ],
  [
    'WHATWG Fetch §3.3: a preflight is answered here',
    { headers: cors },
    ['/', { origin: 'https://a.example', 'access-control-request-method': 'PUT' }, 'OPTIONS'],
    {
      status: 204,
      headers: {
        'access-control-allow-methods': 'GET, PUT',
        'access-control-allow-headers': 'X-A',
        'access-control-max-age': '60',
      },
    },
  ],
];
for (const [title, m, [path, headers = {}, method = 'GET'], expected] of cases) {
  test(title, async () => {
    const h = { headers: { customResponseHeaders: { 'X-A': '1' }, frameDeny: true, contentTypeNosniff: true } };
    const deny = { ipAllowList: { sourceRange: ['10.0.0.0/8'] } };
    await using at = await front({ m, h, deny }, mirror, ['127.0.0.1']);
    const answer = await raw(at, path, headers, method);
    assert.equal(answer.status, expected.status);
    for (const [name, value] of Object.entries(expected.headers ?? {}))
      assert.equal(answer.headers[name] ?? null, value);
    if (expected.path === undefined && expected.replaced === undefined) return;
    const seen = JSON.parse(answer.body) as { path: string; replaced: Record<string, string> };
    if (expected.path !== undefined) assert.equal(seen.path, expected.path);
    if (expected.replaced !== undefined) assert.deepEqual(seen.replaced, expected.replaced);
  });
}

const faulty: [configs: object, why: RegExp][] = [
  [{ m: { chain: { middlewares: ['n'] } } }, /no middleware is called n/],
  [{ m: { chain: { middlewares: ['n'] } }, n: { chain: { middlewares: ['m'] } } }, /m → n → m never ends/],
  [{ m: { basicAuth: { users: ['alice:$2y$05$abc'] } } }, /middleware m: the hash of alice is of no known kind/],
  [{ m: { headers: { customResponseHeaders: { 'X-A': 'a\r\nb' } } } }, /middleware m: .*X-A/],
  [
    { m: { headers: { accessControlAllowOriginList: ['*'], accessControlAllowCredentials: true } } },
    /needs origins by name/,
  ],
  [{ m: { redirectRegex: { regex: '(a+)+', replacement: 'b' } } }, /repeats/],
  [{ m: { ipAllowList: { sourceRange: ['10.0.0.0/33'] } } }, /neither an IP address nor a range/],
  [{ m: { circuitBreaker: { expression: 'NetworkErrorRatio() > ' } } }, /cannot be read at its end/],
  [{ m: { circuitBreaker: { expression: 'Nothing() > 1' } } }, /cannot be read at Nothing/],
  [{ m: { rateLimit: { average: 1, period: '0' } } }, /period must be longer/],
];
for (const [configs, why] of faulty) {
  test(`a middleware that cannot work says why: ${why.source}`, () => {
    assert.throws(() => middlewareBuilder(middlewaresConfig.parse(configs), new AsyncDisposableStack())('m'), why);
  });
}

test('rateLimit: a burst passes, what comes beyond it is 429 with Retry-After, and sources count apart', async () => {
  const m = { rateLimit: { average: 1, period: '1h', burst: 3, sourceCriterion: { requestHeaderName: 'X-Tenant' } } };
  await using at = await front({ m }, mirror);
  const ask = (tenant: string) => raw(at, '/', { 'x-tenant': tenant }, 'GET');
  const statuses: number[] = [];
  for (const tenant of ['a', 'a', 'a', 'a', 'b']) statuses.push((await ask(tenant)).status);
  assert.deepEqual(statuses, [200, 200, 200, 429, 200]);
  assert.match(String((await ask('a')).headers['retry-after']), /^3[56]\d\d$/);
});

test('inFlightReq: one more at once is 429, and the place is free again when an answer has ended', async () => {
  const { promise: held, resolve: finish } = Promise.withResolvers<void>();
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  await using at = await front({ m: { inFlightReq: { amount: 1 } } }, async ({ path }) => {
    if (path !== '/slow') return { status: 200 };
    arrive();
    await held;
    return { status: 200 };
  });
  const slow = fetch(`${at.url}/slow`);
  await arrived;
  assert.equal((await fetch(at.url)).status, 429);
  finish();
  await (await slow).arrayBuffer();
  assert.equal((await fetch(at.url)).status, 200);
});

test('forwardAuth: what the service says of the caller replaces what the client said; its refusal reaches the client', async () => {
  await using auth = await site((req, res) => {
    if (req.headers.authorization !== 'Bearer good') {
      res.writeHead(401, { 'www-authenticate': 'Bearer realm="x"', location: '/login', 'set-cookie': 's=1' }).end('no');
      return;
    }
    res.setHeader('X-Auth-User', 'alice').end();
  });
  const m = { forwardAuth: { address: `${auth.url}/check?a=b`, authResponseHeaders: ['X-Auth-User', 'X-Role'] } };
  await using at = await front({ m }, mirror);
  const refused = await fetch(`${at.url}/a?b=c`, { redirect: 'manual' });
  assert.equal(refused.status, 401);
  assert.equal(await refused.text(), 'no');
  assert.equal(refused.headers.get('www-authenticate'), 'Bearer realm="x"');
  assert.equal(refused.headers.get('location'), `${auth.url}/login`);
  const headers = { authorization: 'Bearer good', 'x-auth-user': 'forged', 'x-role': 'admin' };
  const passed = (await (await fetch(`${at.url}/a?b=c`, { method: 'POST', body: 'x', headers })).json()) as object;
  assert.deepEqual((passed as { replaced: object }).replaced, { 'x-auth-user': 'alice', 'x-role': '' });
  const asked = auth.seen.at(-1);
  assert.equal(asked?.url, '/check?a=b');
  assert.equal(asked?.method, 'GET');
  assert.equal(asked?.headers['x-forwarded-method'], 'POST');
  assert.equal(asked?.headers['x-forwarded-uri'], '/a?b=c');
  assert.equal(asked?.headers['x-auth-user'], undefined);
  assert.equal(asked?.headers['content-length'], undefined);
});

test('forwardAuth lets nobody pass where the service does not answer', async () => {
  await using at = await front({ m: { forwardAuth: { address: 'http://127.0.0.1:9/' } } }, mirror);
  const answer = await fetch(at.url);
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get('retry-after'), '5');
});

const failing = (code: string) => refusal(502, 'x', 'y', { cause: Object.assign(new Error(code), { code }) });
const retried: [title: string, method: string, code: string, tries: number][] = [
  ['a GET whose connection broke is tried again', 'GET', 'ECONNRESET', 3],
  ['RFC 9110 §9.2.2: a POST that may have been seen is not', 'POST', 'ECONNRESET', 1],
  ['a POST that had no connection is', 'POST', 'ECONNREFUSED', 3],
];
for (const [title, method, code, tries] of retried) {
  test(`retry: ${title}`, async () => {
    let count = 0;
    await using at = await front({ m: { retry: { attempts: 3, initialInterval: '1ms' } } }, async ({ content }) => {
      count += 1;
      if (method === 'POST') assert.equal(String(content), 'body');
      throw failing(code);
    });
    const answer = await fetch(at.url, { method, ...(method === 'POST' && { body: 'body' }) });
    assert.equal(answer.status, 502);
    assert.equal(count, tries);
  });
}

test('circuitBreaker: trips, rests, recovers by and by, and closes', async () => {
  let time = 0;
  let fails = true;
  const config = middlewaresConfig.parse({
    m: {
      circuitBreaker: {
        expression: 'NetworkErrorRatio() > 0.5 && !(LatencyAtQuantileMS(50) > 1000)',
        checkPeriod: '1s',
      },
    },
  }).m?.circuitBreaker;
  assert.ok(config);
  const breaker = circuitBreaker(
    config,
    () => time,
    () => 0.5,
  );
  const handler = breaker(() => {
    if (fails) throw failing('ECONNREFUSED');
    return { status: 200 };
  });
  const limits = { ...limitsConfig.parse({}), drain: 0 };
  await using at = await listen({ address: '127.0.0.1:0', limits, log: silent, accessLog: false }, handler);
  const ask = async (seconds: number) => {
    time = seconds;
    return (await fetch(`http://${at.address}`)).status;
  };
  assert.equal(await ask(0), 502);
  assert.equal(await ask(2), 502, 'the one that trips it');
  fails = false;
  assert.equal(await ask(3), 503);
  assert.equal(await ask(11.9), 503);
  assert.equal(await ask(13), 503, 'a tenth of the requests passes');
  assert.equal(await ask(18), 200, 'more than half passes');
  assert.equal(await ask(30), 200);
  assert.equal(await ask(31), 200);
});

const accepted: [header: string, expected: string | undefined][] = [
  ['', undefined],
  ['gzip', 'gzip'],
  ['br;q=0.5, gzip;q=0.4', 'br'],
  ['zstd, br, gzip', 'gzip'],
  ['gzip;q=0, *', 'br'],
  ['identity', undefined],
];
for (const [header, expected] of accepted) {
  test(`RFC 9110 §12.5.3: Accept-Encoding "${header}" gets ${expected ?? 'no encoding'}`, () => {
    assert.equal(bestEncoding(header, ['gzip', 'br', 'zstd']), expected);
  });
}

test('compress: each encoding reads back, small, encoded and event answers stay as they are', async () => {
  const text = 'lorem ipsum '.repeat(50_000);
  const { promise: first, resolve: seenFirst } = Promise.withResolvers<void>();
  await using app = await site(async (req, res) => {
    if (req.url === '/events') {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
    } else if (req.url === '/lines') {
      res.writeHead(200, { 'content-type': 'application/jsonl' }).write('{"a":1}\n');
      await first;
      res.end('{"a":2}\n');
    } else if (req.url === '/encoded') {
      res.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'x' }).end(text);
    } else {
      const body = req.url === '/small' ? 'small' : text;
      res.writeHead(200, { 'content-type': 'text/plain', etag: '"1"', 'content-length': body.length }).end(body);
    }
  });
  const service = toSite(app.url);
  await using at = await front({ m: { compress: {} } }, service.service);
  const ask = (path: string, encoding: string) =>
    new Promise<{ headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
      const headers = { 'accept-encoding': encoding };
      request({ host: '127.0.0.1', port: at.port, path, headers, agent: false }, (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          seenFirst();
          if (path === '/events') res.destroy();
        });
        res.on('close', () => resolve({ headers: res.headers, body: Buffer.concat(chunks) }));
      })
        .on('error', reject)
        .end();
    });
  const readers = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync };
  for (const [encoding, read] of Object.entries(readers)) {
    const { headers, body } = await ask('/', encoding);
    assert.equal(headers['content-encoding'], encoding);
    assert.equal(headers.vary, 'Accept-Encoding');
    assert.equal(headers.etag, 'W/"1"');
    assert.equal(headers['content-length'], undefined);
    assert.equal(String(read(body)), text);
  }
  for (const path of ['/small', '/events'])
    assert.equal((await ask(path, 'gzip')).headers['content-encoding'], undefined);
  assert.equal((await ask('/encoded', 'gzip')).headers['content-encoding'], 'x');
  // The second line is only written when the first has been seen.
  assert.equal(String(gunzipSync((await ask('/lines', 'gzip')).body)), '{"a":1}\n{"a":2}\n');
  await service[Symbol.asyncDispose]();
});

test('buffering: a body of unknown length is cut off where it grows too large', async () => {
  await using app = await site((req, res) => req.pipe(res));
  const service = toSite(app.url);
  await using at = await front({ m: { buffering: { maxRequestBodyBytes: 1000 } } }, service.service);
  const send = (bytes: number) =>
    new Promise<number>((resolve, reject) => {
      const req = request({ host: '127.0.0.1', port: at.port, method: 'POST', agent: false }, (res) => {
        res.resume();
        resolve(res.statusCode ?? 0);
      });
      req.on('error', reject);
      req.write('x'.repeat(bytes / 2));
      req.end('x'.repeat(bytes / 2));
    });
  assert.equal(await send(1000), 200);
  assert.equal(await send(100_000), 413);
  await service[Symbol.asyncDispose]();
});

const networks: [string, string][] = [
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['2001:db8:0:1:ffff::', '2001:db8:0:1'],
  ['::1', '0:0:0:0'],
];
for (const [address, expected] of networks) {
  test(`RFC 6177 §2: ${address} counts as ${expected}`, () => assert.equal(network(address), expected));
}

test('basicAuth reads what htpasswd writes', async () => {
  await using at = await front({ m: { basicAuth: { users: [md5] } } }, mirror);
  assert.equal((await raw(at, '/', basic('bob:correct horse battery'), 'GET')).status, 200);
  assert.equal((await raw(at, '/', basic('bob:correct horse'), 'GET')).status, 401);
});
