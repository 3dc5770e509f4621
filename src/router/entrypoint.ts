/** A listening address: sockets in, exchanges to the handler, replies out. RFC 9112. */

import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import type { Http2Session, SecureServerOptions } from 'node:http2';
import { type AddressInfo, Server as NetServer, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Server as TlsServer } from 'node:tls';
import type { Log } from '../log.ts';
import type { AccessRecord } from './access-log.ts';
import { addressSet } from './addresses.ts';
import { bind } from './bind.ts';
import type { Handler } from './handler.ts';
import { isAt, listenOptions, passedSocket } from './listen-address.ts';
import { peerAddress } from './peer.ts';
import { expectProxyHeaders } from './proxied-sockets.ts';
import { writeReply } from './reply.ts';
import { IdentifiedResponse } from './response-head.ts';
import { type Serving, serving } from './serve.ts';
import { linger } from './socket-close.ts';

export interface EntrypointOptions {
  /** A socket that systemd passed under this name is taken, where it has this address. */
  readonly name?: string;
  /** `"127.0.0.1:8080"`, `":443"`, `"[::1]:8080"`, `"unix:PATH"` or `"systemd"`. */
  readonly address: string;
  /** Addresses and CIDR ranges whose X-Forwarded-* headers are believed. [none] */
  readonly trustedProxies?: readonly string[];
  /** Whether connections from trusted proxies begin with a PROXY header. [false] */
  readonly proxyProtocol?: boolean;
  readonly limits: EntrypointLimits;
  readonly log: Log;
  /** Whether one line is logged for each request. [true] */
  readonly accessLog?: boolean;
  /** Told of every request, whatever became of it. */
  readonly observe?: (record: AccessRecord) => void;
  /** Whether a trace that begins here is recorded. */
  readonly sample?: (() => boolean) | undefined;
  /** Serves HTTP/2 and HTTP/1.1 over TLS; `attach` gets the server to keep its keys fresh. */
  readonly secure?: { readonly options: SecureServerOptions; attach(server: TlsServer): void };
}

/** All in seconds, but `connections`. */
export interface EntrypointLimits {
  readonly drain: number;
  readonly headTimeout: number;
  readonly keepAlive: number;
  readonly stall: number;
  readonly connections: number;
}

export interface Entrypoint extends AsyncDisposable {
  /** Where it listens in fact: `127.0.0.1:41234`, `[::]:443`, `unix:/run/gateway.sock`. */
  readonly address: string;
  /** 0 for a unix socket. */
  readonly port: number;
  /** Clients' connections that are open now. */
  readonly connections: number;
  /** Accepts no more, lets requests in flight finish for so many milliseconds, then cuts them. Disposing drains for `limits.drain`. */
  drain(ms: number): Promise<void>;
  /** What answers from now on; requests in flight stay with the handler that has them. */
  handle(handler: Handler): void;
}

/** Request line and headers together, in bytes; RFC 6585 §5 is for heads beyond. */
const longestHead = 32 * 1024;
/** Milliseconds that a request may be on its way when the gateway stops. */
const onTheWay = 100;
/** How often heads that take too long are looked for, in milliseconds. */
const headCheck = 5000;

/** Rejects with one sentence that says what stands in the way and how to mend it. */
export async function listen(options: EntrypointOptions, handler: Handler): Promise<Entrypoint> {
  const trusted = addressSet(options.trustedProxies ?? []);
  if ('fault' in trusted) throw new Error(`trustedProxies: ${trusted.fault} is neither an IP address nor a range`);
  const passed = passedSocket(options.name);
  const at = passed ?? listenOptions(options.address);
  if ('fault' in at) throw new Error(at.fault);

  const { log, limits, observe, sample, accessLog = true } = options;
  const server = await httpServer(options);
  options.secure?.attach(server as unknown as TlsServer);
  const exchanges = serving(
    { trusted, log, accessLog, observe, sample, encrypted: options.secure !== undefined },
    handler,
  );
  const sockets = new Set<Socket>();
  if (options.proxyProtocol) expectProxyHeaders(server, trusted, limits.headTimeout * 1000);
  join(server, exchanges, sockets, limits.stall);
  if (options.secure !== undefined) (await import('./http2-stall.ts')).timeStreams(server, limits.stall * 1000);
  await bind(server, at, options.address);
  const bound = server.address();
  if (passed !== undefined && !isAt(options.address, bound)) {
    server.close();
    throw new Error(
      `the socket unit of ${options.name} listens on ${written(bound)} and the configuration says ${options.address}; run "mcp-gateway service install" again`,
    );
  }

  let drained: Promise<void> | undefined;
  const drain = async (ms: number): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.once('close', resolve));
    // Not that of node:http, which cuts each connection that has no request yet, though one may be on its way.
    NetServer.prototype.close.call(server);
    void exchanges.finish();
    if (sockets.size > exchanges.inFlight()) await delay(Math.min(ms, onTheWay));
    server.close();
    await within(exchanges.finish(), ms);
    const left = [...sockets].map((socket) => new Promise((resolve) => socket.destroy().once('close', resolve)));
    await Promise.all([closed, ...left]);
  };
  const once = (ms: number): Promise<void> => {
    drained ??= drain(ms);
    return drained;
  };

  return {
    address: written(bound),
    port: typeof bound === 'object' ? (bound?.port ?? 0) : 0,
    get connections() {
      return sockets.size;
    },
    drain: once,
    handle: exchanges.handle,
    [Symbol.asyncDispose]: () => once(limits.drain * 1000),
  };
}

/** As a configuration would say it. */
function written(bound: AddressInfo | string | null): string {
  if (typeof bound !== 'object' || bound === null) return `unix:${bound}`;
  return `${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
}

async function httpServer({ limits, secure }: EntrypointOptions): Promise<Server> {
  const options: ServerOptions = {
    maxHeaderSize: longestHead,
    headersTimeout: limits.headTimeout * 1000,
    // Bodies have limits of their own, which know progress from standstill.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(headCheck, limits.headTimeout * 500),
    keepAliveTimeout: limits.keepAlive * 1000,
    // We answer it ourselves, so that the access log knows.
    requireHostHeader: false,
    insecureHTTPParser: false,
    highWaterMark: 64 * 1024,
    // Any other Upgrade is ignored, as RFC 9110 §7.8 allows: h2c above all never becomes a tunnel.
    shouldUpgradeCallback: isWebSocket,
    ServerResponse: IdentifiedResponse,
  };
  const server = secure ? await secureServer(secure.options, options) : createServer(options);
  server.maxConnections = limits.connections;
  // Node drops header lines beyond its count without a word; ours are counted and refused.
  server.maxHeadersCount = 0;
  return server;
}

/** With allowHTTP1 an HTTP/2 server speaks node:http's events with its request and response; @types/node does not say so. */
async function secureServer(secure: SecureServerOptions, options: ServerOptions): Promise<Server> {
  const { createSecureServer } = await import('node:http2');
  const own = { allowHTTP1: true, Http1ServerResponse: IdentifiedResponse };
  return createSecureServer({ ...options, ...secure, ...own }) as unknown as Server;
}

function isWebSocket(req: IncomingMessage): boolean {
  return req.method === 'GET' && req.httpVersion === '1.1' && req.headers.upgrade?.toLowerCase() === 'websocket';
}

function join(server: Server, exchanges: Serving, sockets: Set<Socket>, stall: number): void {
  const serve = (req: IncomingMessage, res: ServerResponse) => exchanges.serve(req, res);
  server.on('request', serve);
  // RFC 9110 §10.1.1: the body is asked for by whoever reads it, after the guard.
  server.on('checkContinue', serve);
  server.on('checkExpectation', serve);
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    exchanges.serve(req, responseOn(req, socket), { socket, head });
  });
  server.on('connect', (req: IncomingMessage, other: Duplex | ServerResponse) => {
    const res = other instanceof Duplex ? responseOn(req, other) : other;
    const reply = { status: 405, body: { error: 'invalid_request', error_description: 'this is no tunnel' } };
    writeReply(req, res, reply);
    exchanges.tell({ ...unparsed, client: peerAddress(req.socket), method: 'CONNECT', status: 405 });
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const status = statusOf(error);
    const res = exchanges.on(socket);
    if (status === undefined || !socket.writable || res !== undefined) {
      // RFC 9112 §6.1, §7.1: framing that fails in the middle of a body still has an answer; §9.6: the connection ends with it.
      if (status === undefined || res === undefined || !exchanges.breakOff(res, status)) socket.destroy();
      return;
    }
    exchanges.tell({ ...unparsed, client: peerAddress(socket), status: Number(status.slice(0, 3)) });
    socket.write(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    linger(socket);
  });
  server.on('timeout', (socket: Socket | Http2Session) => {
    if (!(socket instanceof Socket)) return;
    // Silent both ways for `stall`, or idle for `keepAlive`. An event stream with nothing to say is no reason to cut.
    const res = exchanges.on(socket);
    if (!res?.req.complete || socket.writableLength > 0 || res.writableLength > 0) socket.destroy();
  });
  server.setTimeout(stall * 1000);
}

const unparsed = { method: '-', host: '-', path: '-', protocol: '-', duration: 0 };

/** So that an upgrade is answered like any other request, where it is refused. */
function responseOn(req: IncomingMessage, socket: Duplex): ServerResponse {
  const res = new IdentifiedResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(socket as Socket);
  res.once('finish', () => socket.end());
  socket.on('error', () => {});
  return res;
}

/** Undefined where nobody is there to be told. */
function statusOf(error: NodeJS.ErrnoException): string | undefined {
  if (error.code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large';
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return '408 Request Timeout';
  if (error.code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return '413 Content Too Large';
  return error.code?.startsWith('HPE_') ? '400 Bad Request' : undefined;
}

async function within(work: Promise<void>, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}
