/** Which addresses a URL given by a stranger may lead to: those that everybody on the internet can reach anyway. */

import { BlockList, isIPv4 } from 'node:net';

/** RFC 6890 and its registry: what is not globally reachable, or reaches more than one host. */
const reserved4 = blockList('ipv4', [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
]);

/** RFC 4291 §2.4: global unicast. Mapped, translated (NAT64), unique local and link-local addresses lie outside. */
const global6 = blockList('ipv6', ['2000::/3']);
/** Parts of it that carry IPv4 addresses (Teredo, 6to4) or are special. */
const reserved6 = blockList('ipv6', ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);

const loopback4 = blockList('ipv4', ['127.0.0.0/8']);

/** `address` without brackets or zone. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !reserved4.check(address, 'ipv4');
  return global6.check(address, 'ipv6') && !reserved6.check(address, 'ipv6');
}

export function isLoopbackAddress(address: string): boolean {
  return isIPv4(address) ? loopback4.check(address, 'ipv4') : address === '::1';
}

function blockList(family: 'ipv4' | 'ipv6', networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix] = network.split('/');
    list.addSubnet(address, Number(prefix), family);
  }
  return list;
}
