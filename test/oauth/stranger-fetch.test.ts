import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { StrangerFailed, strangerFetch } from '../../src/oauth/stranger-fetch.ts';
import { httpsSite } from '../support/https-site.ts';

const json = { 'content-type': 'application/json' };
const answers: Readonly<Record<string, (res: ServerResponse) => void>> = {
  '/good': (res) => res.writeHead(200, json).end('{"a":1}'),
  '/suffix': (res) => res.writeHead(200, { 'content-type': 'application/client+json; charset=utf-8' }).end('{"a":1}'),
  '/moved': (res) => res.writeHead(302, { ...json, location: '/good' }).end('{"a":1}'),
  '/missing': (res) => res.writeHead(404, json).end('{"a":1}'),
  '/partial': (res) => res.writeHead(206, json).end('{"a":1}'),
  '/html': (res) => res.writeHead(200, { 'content-type': 'text/html' }).end('{"a":1}'),
  '/broken': (res) => res.writeHead(200, json).end('{"a":'),
  '/long': (res) => res.writeHead(200, json).end(JSON.stringify({ a: 'x'.repeat(6000) })),
  '/cut': (res) => void res.writeHead(200, { ...json, 'content-length': '100' }).write('{', () => res.destroy()),
  '/none': (res) => res.writeHead(200, { ...json, 'cache-control': 'no-store' }).end('{"a":1}'),
  '/hour': (res) => res.writeHead(200, { ...json, 'cache-control': 'public, max-age=3600', age: '600' }).end('{"a":1}'),
  '/year': (res) => res.writeHead(200, { ...json, 'cache-control': 'max-age=31536000' }).end('{"a":1}'),
  '/past': (res) => res.writeHead(200, { ...json, expires: 'Thu, 01 Jan 1970 00:00:00 GMT' }).end('{"a":1}'),
};
const site = () => httpsSite((req, res) => (answers[req.url ?? ''] ?? answers['/missing'])?.(res));

test('AU-63, Client ID Metadata Documents §4.2: 200 and JSON of some kilobytes, and nothing else, is an answer', async () => {
  await using at = await site();
  const fetchJson = strangerFetch({ loopback: true });
  for (const path of ['/good', '/suffix']) {
    assert.deepEqual((await fetchJson(new URL(at.url + path), 5000)).json, { a: 1 }, path);
  }
  for (const path of ['/moved', '/missing', '/partial', '/html', '/broken', '/long']) {
    await assert.rejects(fetchJson(new URL(at.url + path), 5000), (error) => {
      assert.ok(error instanceof StrangerFailed && error.answered, `${path}: ${error}`);
      return true;
    });
  }
  await assert.rejects(fetchJson(new URL(`${at.url}/cut`), 5000), StrangerFailed);
});

test('RFC 9111 §4.2: an answer is fresh for as long as it says, at most a day', async () => {
  await using at = await site();
  const fetchJson = strangerFetch({ loopback: true });
  for (const [path, seconds] of Object.entries({
    '/good': 300,
    '/none': 0,
    '/hour': 3000,
    '/year': 86_400,
    '/past': 0,
  })) {
    assert.equal((await fetchJson(new URL(at.url + path), 5000)).freshFor, seconds, path);
  }
});

test('AU-62: a name or an address inside is never connected to, however it is written', async () => {
  let reached = 0;
  await using at = await httpsSite((_, res) => {
    reached += 1;
    answers['/good']?.(res);
  });
  const inside = [
    `https://localhost:${at.port}/good`,
    `https://127.0.0.1:${at.port}/good`,
    `https://127.1:${at.port}/good`,
    `https://0x7f000001:${at.port}/good`,
    `https://2130706433:${at.port}/good`,
    `https://[::1]:${at.port}/good`,
    `https://[::ffff:127.0.0.1]:${at.port}/good`,
    'https://169.254.169.254/latest/meta-data',
    'https://[fd00:ec2::254]/',
    'https://10.0.0.1/',
  ];
  const fetchJson = strangerFetch({ loopback: false });
  for (const url of inside) {
    await assert.rejects(fetchJson(new URL(url), 5000), (error) => {
      // It reads the same as a host that is down: nobody learns what there is inside.
      assert.ok(error instanceof StrangerFailed && !error.answered, url);
      assert.equal(error.message, 'could not be fetched from the public internet');
      return true;
    });
  }
  assert.equal(reached, 0);
});

test('AU-62: a gateway on loopback may ask loopback, and nothing else inside', async () => {
  const fetchJson = strangerFetch({ loopback: true, resolve: async () => [{ address: '10.0.0.1', family: 4 }] });
  await assert.rejects(fetchJson(new URL('https://intranet.example/'), 5000), StrangerFailed);
});

test('AU-62: a name that also has a public address, or changes its mind, does not lead inside', async () => {
  let reached = 0;
  await using at = await httpsSite((_, res) => {
    reached += 1;
    res.end();
  });
  const url = new URL(`https://rebound.example:${at.port}/`);
  const inside = { address: '127.0.0.1', family: 4 };
  const outside = { address: '192.88.98.1', family: 4 };
  const mixed = strangerFetch({ loopback: false, resolve: async () => [outside, inside] });
  await assert.rejects(mixed(url, 5000), StrangerFailed);

  let asked = 0;
  const rebinding = strangerFetch({
    loopback: true,
    // Asked once: what was checked is what is connected to.
    resolve: async () => [asked++ === 0 ? inside : { address: '10.0.0.1', family: 4 }],
  });
  await assert.rejects(rebinding(url, 5000), { answered: true });
  assert.deepEqual([asked, reached], [1, 1]);
});
