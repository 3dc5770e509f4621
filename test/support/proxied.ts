/** The gateway's proxy before a server that answers by bytes, with nothing else between. */

import { readFile } from 'node:fs/promises';
import { type ClientHttp2Session, connect } from 'node:http2';
import type { Socket } from 'node:net';
import { silent } from '../../src/log.ts';
import { type Limits, limitsConfig } from '../../src/router/config.ts';
import { type Entrypoint, listen } from '../../src/router/entrypoint.ts';
import { upstream } from '../../src/router/upstream.ts';
import { certified } from './https-front.ts';
import { type RawServer, rawServer } from './raw-http.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface Proxied extends AsyncDisposable {
  readonly port: number;
  readonly entry: Entrypoint;
  readonly origin: RawServer;
  /** What the server saw of all requests. */
  seen(): string;
}

export interface ProxiedHttp2 extends Proxied {
  readonly session: ClientHttp2Session;
}

export const ok = (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');

/** Whether it ends in order or not. */
export const closed = (socket: Socket) =>
  new Promise<void>((resolve) => (socket.closed ? resolve() : socket.once('close', () => resolve())));

type Answer = (socket: Socket, seen: string, turn: number) => void;

export async function proxied(
  answer: Answer = ok,
  changed: Partial<Limits> = {},
  secure?: { cert: string; key: string },
): Promise<Proxied> {
  const origin = await rawServer(answer);
  const limits = { ...limitsConfig.parse({}), drain: 0, headTimeout: 1, ...changed };
  const server = { url: `http://127.0.0.1:${origin.port}`, headers: {}, as: 'site', passHostHeader: true } as const;
  const service = upstream(server, { log: silent, limits });
  const attached = secure && { secure: { options: secure, attach: () => {} } };
  const entry = await listen({ address: '127.0.0.1:0', limits, log: silent, ...attached }, service.service);
  return {
    port: entry.port,
    entry,
    origin,
    seen: () => origin.seen.join('\n'),
    async [Symbol.asyncDispose]() {
      await entry[Symbol.asyncDispose]();
      await service[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
    },
  };
}

/** With a client's HTTP/2 session on it. */
export async function proxiedHttp2(answer?: Answer, changed?: Partial<Limits>): Promise<ProxiedHttp2> {
  await using directory = await temporaryDirectory();
  const { certificate, rootFile } = await certified(directory.path, ['localhost']);
  const ca = await readFile(rootFile, 'utf8');
  const at = await proxied(answer, changed, { cert: certificate.chain, key: certificate.key });
  const session = connect(`https://localhost:${at.port}`, { ca, host: '127.0.0.1' });
  session.on('error', () => {});
  return {
    ...at,
    session,
    async [Symbol.asyncDispose]() {
      session.destroy();
      await at[Symbol.asyncDispose]();
    },
  };
}
