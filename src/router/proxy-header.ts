/** The PROXY protocol's header, versions 1 and 2: whom a proxy below HTTP speaks for. */

import { isIPv4, isIPv6 } from 'node:net';

export interface ProxyHeader {
  /** Bytes it takes. */
  readonly length: number;
  /** Undefined where the proxy speaks for itself, as its health checks do, or of a family we do not know. */
  readonly address: string | undefined;
}

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const longestLine = 107;
/** What follows the fixed part of version 2, additions included; in bytes. */
const longestRest = 4096;

/** Undefined while bytes are missing, `'faulty'` where it is no such header; it is never guessed whether there is one. */
export function proxyHeader(bytes: Buffer): ProxyHeader | 'faulty' | undefined {
  const start = Math.min(bytes.length, signature.length);
  if (start > 0 && signature.compare(bytes, 0, start, 0, start) === 0) return binary(bytes);
  return line(bytes);
}

/** §2.1: one line of ASCII, at most 107 bytes with its end. */
function line(bytes: Buffer): ProxyHeader | 'faulty' | undefined {
  const text = bytes.subarray(0, longestLine).toString('latin1');
  const end = text.indexOf('\r\n');
  const known = text.slice(0, 6);
  if (known !== 'PROXY '.slice(0, known.length)) return 'faulty';
  if (end === -1) return text.length < longestLine ? undefined : 'faulty';
  const length = end + 2;
  const [, family, ...rest] = text.slice(0, end).split(' ');
  if (family === 'UNKNOWN') return { length, address: undefined };
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : undefined;
  const [source = '', destination = '', ...ports] = rest;
  const sound = isAddress?.(source) && isAddress(destination) && ports.length === 2 && ports.every(isPort);
  return sound ? { length, address: source } : 'faulty';
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535;
}

/** §2.2: signature, version and command, family, length, addresses. */
function binary(bytes: Buffer): ProxyHeader | 'faulty' | undefined {
  if (bytes.length < 16) return undefined;
  const [version, command] = [bytes.readUInt8(12) >> 4, bytes.readUInt8(12) & 0xf];
  const rest = bytes.readUInt16BE(14);
  if (version !== 2 || command > 1 || rest > longestRest) return 'faulty';
  const length = 16 + rest;
  if (bytes.length < length) return undefined;
  if (command === 0) return { length, address: undefined };
  switch (bytes.readUInt8(13)) {
    case 0x11:
      return rest < 12 ? 'faulty' : { length, address: [...bytes.subarray(16, 20)].join('.') };
    case 0x21: {
      if (rest < 36) return 'faulty';
      const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(16 + 2 * at).toString(16));
      return { length, address: new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1) };
    }
    default:
      return { length, address: undefined };
  }
}
