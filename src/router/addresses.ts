/** Sets of IP addresses, written as addresses and CIDR ranges. */

import { BlockList, isIP, isIPv6 } from 'node:net';

export interface AddressSet {
  has(address: string): boolean;
}

/** `fault` is the first entry that is neither an address nor a range. */
export function addressSet(entries: readonly string[]): AddressSet | { readonly fault: string } {
  if (entries.length === 0) return { has: () => false };
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', length] = entry.split('/');
    const family = isIP(address);
    const bits = family === 4 ? 32 : 128;
    if (family === 0) return { fault: entry };
    if (length !== undefined && (!/^\d{1,3}$/.test(length) || Number(length) > bits)) return { fault: entry };
    list.addSubnet(address, length === undefined ? bits : Number(length), family === 4 ? 'ipv4' : 'ipv6');
  }
  return {
    has: (address) => {
      const plain = plainAddress(address);
      const family = isIP(plain);
      return family !== 0 && list.check(plain, family === 4 ? 'ipv4' : 'ipv6');
    },
  };
}

/** Without an IPv6 zone, and IPv4 as such where it arrives mapped into IPv6 (RFC 4291 §2.5.5.2). */
export function plainAddress(address: string): string {
  if (!address.includes(':')) return address;
  const bare = address.replace(/%.*$/, '');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  return mapped?.[1] ?? (isIPv6(bare) ? bare : address);
}
