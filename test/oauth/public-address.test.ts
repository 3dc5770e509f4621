import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopbackAddress, isPublicAddress } from '../../src/oauth/public-address.ts';

const reserved =
  '0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 ' +
  '192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 ::ffff:8.8.8.8 ' +
  '::ffff:127.0.0.1 64:ff9b::a00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 3fff::1 fc00::1 fd00:ec2::254 ' +
  'fe80::1 fec0::1 ff02::1';

test('RFC 6890: no special-use address is public, in whatever spelling', () => {
  for (const address of reserved.split(' ')) assert.equal(isPublicAddress(address), false, address);
});

test('RFC 4291 §2.4: addresses of the internet are public', () => {
  const all =
    '1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 198.20.0.1 2606:4700::1111 2a00:1450::1';
  for (const address of all.split(' ')) assert.equal(isPublicAddress(address), true, address);
});

test('RFC 8252 §7.3: loopback is 127.0.0.0/8 and ::1', () => {
  const found = ['127.0.0.1', '127.8.8.8', '::1', '128.0.0.1', '::2', '10.0.0.1'].filter(isLoopbackAddress);
  assert.deepEqual(found, ['127.0.0.1', '127.8.8.8', '::1']);
});
