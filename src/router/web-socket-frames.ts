/** The frames of a WebSocket, as far as one that passes them on must know them. RFC 6455 §5. */

import { randomBytes } from 'node:crypto';

export interface FrameBounds {
  /** Moves on from `at` to the end of the frame it stands in, or of the chunk where that comes first. */
  advance(chunk: Buffer, at: number): number;
  /** Whether the bytes so far end with a frame, so that another one may be put in here. */
  readonly between: boolean;
}

/** §5.2: two bytes, eight of a long length, four of a mask. */
const longestHead = 14;

export function frameBounds(): FrameBounds {
  const head = Buffer.alloc(longestHead);
  let filled = 0;
  let left = 0;
  return {
    get between() {
      return filled === 0 && left === 0;
    },
    advance(chunk, from) {
      let at = from;
      while (left === 0 && at < chunk.length) {
        head[filled++] = chunk[at++] ?? 0;
        if (filled < 2 || filled < headLength(head)) continue;
        left = payloadLength(head);
        filled = 0;
        if (left === 0) return at;
      }
      const step = Math.min(left, chunk.length - at);
      left -= step;
      return at + step;
    },
  };
}

function headLength(head: Buffer): number {
  const [, second = 0] = head;
  const length = second & 0x7f;
  return 2 + (length === 127 ? 8 : length === 126 ? 2 : 0) + (second & 0x80 ? 4 : 0);
}

function payloadLength(head: Buffer): number {
  const length = head.readUInt8(1) & 0x7f;
  if (length < 126) return length;
  return length === 126 ? head.readUInt16BE(2) : Number(head.readBigUInt64BE(2));
}

/** A control frame of the gateway's own. §5.3: what goes to a server is masked. */
export function controlFrame(kind: 'ping' | 'goingAway', to: 'client' | 'server'): Buffer {
  // §7.4.1: 1001 is for an endpoint that goes away.
  const [opcode, payload] = kind === 'ping' ? [0x9, Buffer.alloc(0)] : [0x8, Buffer.from([0x03, 0xe9])];
  const head = Buffer.from([0x80 | opcode, payload.length | (to === 'server' ? 0x80 : 0)]);
  if (to === 'client') return Buffer.concat([head, payload]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, payload.map((byte, at) => byte ^ (mask[at] ?? 0))]);
}
