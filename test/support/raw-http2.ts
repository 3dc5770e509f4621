/** HTTP/2 by frames: what no library would send. RFC 9113 §4.1. */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

export const type = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 } as const;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export const endStream = 1;
export const acknowledged = 1;
const endHeaders = 4;

export function frame(kind: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(kind, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** RFC 7541 appendix A: 8 is `:status: 200`. */
export const ok = (stream: number, flags = 0) => frame(type.headers, endHeaders | flags, stream, Buffer.from([0x88]));
export const data = (stream: number, text: string, flags = 0) => frame(type.data, flags, stream, Buffer.from(text));
export const reset = (stream: number, code: number) => frame(type.reset, 0, stream, number(code));
export const goaway = (last: number, code = 0) => frame(type.goaway, 0, 0, Buffer.concat([number(last), number(code)]));

export function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Frames as they come. */
export function frames(socket: Socket, each: (frame: Frame) => void, skip = 0): void {
  let rest = Buffer.alloc(0);
  let skipped = 0;
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    if (skipped < skip) {
      if (rest.length < skip) return;
      rest = rest.subarray(skip);
      skipped = skip;
    }
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const length = rest.readUIntBE(0, 3);
      const payload = rest.subarray(9, 9 + length);
      each({ type: rest.readUInt8(3), flags: rest.readUInt8(4), stream: rest.readUInt32BE(5), payload });
      rest = rest.subarray(9 + length);
    }
  });
}

/** RFC 9113 §3.4: what a client begins with. */
export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export interface RawHttp2Server extends AsyncDisposable {
  readonly port: number;
  /** Codes of the resets that came. */
  readonly resets: number[];
  readonly connections: number;
}

/** Speaks HTTP/2 at once, and leaves it to `answer` what comes for each request. */
export async function rawHttp2Server(
  answer: (socket: Socket, stream: number, turn: number) => void,
): Promise<RawHttp2Server> {
  const open = new Set<Socket>();
  const resets: number[] = [];
  let turn = 0;
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    open.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => open.delete(socket));
    socket.write(frame(type.settings, 0, 0));
    const take = (got: Frame) => {
      const isAnswer = (got.flags & acknowledged) !== 0;
      if (got.type === type.settings && !isAnswer) socket.write(frame(type.settings, acknowledged, 0));
      if (got.type === type.ping && !isAnswer) socket.write(frame(type.ping, acknowledged, 0, got.payload));
      if (got.type === type.reset) resets.push(got.payload.readUInt32BE());
      if (got.type === type.headers) answer(socket, got.stream, turn++);
    };
    frames(socket, take, preface.length);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    resets,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
