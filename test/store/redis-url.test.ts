import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRedisUrl } from '../../src/store/redis-url.ts';

const plain = {
  hosts: [{ host: 'a', port: 6379 }],
  username: undefined,
  password: undefined,
  database: 0,
  sentinel: undefined,
  cluster: false,
  prefix: 'mcp-gateway:',
  tls: false,
  ca: undefined,
};

const understood: readonly (readonly [url: string, address: object])[] = [
  ['redis://a', plain],
  ['redis://a/', plain],
  ['redis://a:1/7', { ...plain, hosts: [{ host: 'a', port: 1 }], database: 7 }],
  ['redis://[::1]:1', { ...plain, hosts: [{ host: '::1', port: 1 }] }],
  ['redis://:p@a', { ...plain, password: 'p' }],
  ['redis://u:p%40%3A%2F@a', { ...plain, username: 'u', password: 'p@:/' }],
  ['redis://u:p:q@a', { ...plain, username: 'u', password: 'p:q' }],
  ['rediss://a?ca=/ca.pem', { ...plain, tls: true, ca: '/ca.pem' }],
  ['redis://a?prefix=', { ...plain, prefix: '' }],
  [
    'redis://a:26380,b/2?sentinel=main&prefix=x:',
    {
      ...plain,
      hosts: [
        { host: 'a', port: 26_380 },
        { host: 'b', port: 26_379 },
      ],
      database: 2,
      sentinel: 'main',
      prefix: 'x:',
    },
  ],
  ['redis://a?cluster=true', { ...plain, cluster: true }],
  ['redis://a?cluster=false', plain],
];
for (const [url, address] of understood)
  test(`${url} is understood`, () => {
    assert.deepEqual(parseRedisUrl(url), address);
  });

const refused: readonly (readonly [url: string, why: RegExp])[] = [
  ['redis:a', /form/],
  ['redis://', /form/],
  ['redis://u:secret@', /form/],
  ['redis://a/x', /form/],
  ['redis://a#f', /form/],
  ['redis://a:0', /host:port/],
  ['redis://a:65536', /host:port/],
  ['redis://a:b', /host:port/],
  ['redis://a,', /host:port/],
  ['redis://::1', /host:port/],
  ['redis://a,b', /several hosts/],
  ['redis://a?sentinel=', /name of the master/],
  ['redis://a?sentinel=m&cluster=true', /not both/],
  ['redis://a?cluster=yes', /true or false/],
  ['redis://a/1?cluster=true', /only 0/],
  ['redis://a?ca=x', /rediss/],
  ['redis://a?prefx=x', /"prefx"/],
  ['redis://u:%zz@a', /percent-encoded/],
];
for (const [url, why] of refused)
  test(`${url} is refused with a reason that repeats no password`, () => {
    assert.throws(
      () => parseRedisUrl(url),
      ({ message }: Error) => why.test(message) && !message.includes('secret'),
    );
  });
