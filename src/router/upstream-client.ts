/** Connections to an upstream: HTTP/1.1 from undici's pool, HTTP/2 where it was told or the handshake chose it. */

import { isIP, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { buildConnector, type Dispatcher, Pool } from 'undici';
import type { Limits } from './config.ts';
import { http2Client } from './http2-client.ts';
import type { Http2Request } from './http2-request.ts';

export interface UpstreamClient extends AsyncDisposable {
  dispatch(request: Http2Request, handler: Dispatcher.DispatchHandler): void;
  /** By a connection that was never used before. Absent where HTTP/2 is spoken, which says what it has not looked at. */
  readonly anew?: UpstreamClient['dispatch'] | undefined;
}

export interface UpstreamAddress {
  /** Of a unix socket a URL too, as undici wants one; its host is what the service sees where the client's is not passed. */
  readonly url: URL;
  readonly socketPath?: string;
  /** RFC 9113 §3.3: HTTP/2 over plain TCP, without asking. */
  readonly priorKnowledge: boolean;
}

export interface UpstreamTls {
  /** PEM of the authorities to believe instead of the usual ones. */
  readonly ca?: string;
  /** The name in its certificate, where it is not the host of its URL. */
  readonly servername?: string;
  /** Whether HTTP/2 is offered in the handshake. [true] */
  readonly http2?: boolean;
}

/** `http://`, `https://`, `h2c://` as Traefik writes it, or `unix:` and the path of a socket. */
export function upstreamAddress(written: string): UpstreamAddress {
  if (written.startsWith('unix:')) {
    return { url: new URL('http://localhost'), socketPath: written.slice('unix:'.length), priorKnowledge: false };
  }
  return { url: new URL(written.replace(/^h2c:/, 'http:')), priorKnowledge: written.startsWith('h2c:') };
}

export function upstreamClient(
  { url, socketPath, priorKnowledge }: UpstreamAddress,
  { ca, servername = isIP(url.hostname) ? undefined : url.hostname, http2 = true }: UpstreamTls,
  limits: Limits,
): UpstreamClient {
  const connector = (offered: boolean) => {
    const connect = buildConnector({
      timeout: limits.connectTimeout * 1000,
      allowH2: offered,
      preferH2: offered,
      ...(ca !== undefined && { ca }),
      ...(socketPath !== undefined && { socketPath }),
    });
    // A certificate is for the server of our configuration, whatever Host the client sent on.
    const named: typeof connect = (options, done) => connect({ ...options, servername: servername ?? '' }, done);
    return named;
  };
  const http1 = (pipelining: 0 | 1) =>
    new Pool(url.origin, {
      pipelining,
      allowH2: false,
      connect: connector(false),
      headersTimeout: limits.responseTimeout * 1000,
      // An event stream may be silent for as long as it likes; other answers are timed by the relay.
      bodyTimeout: 0,
      maxHeaderSize: 32 * 1024,
    });
  const pool = http1(1);
  // undici keeps no connection of a pool that does no pipelining at all.
  let unkept: Pool | undefined;
  const close = async () => {
    await Promise.all([pool.destroy(), unkept?.destroy()]);
  };
  // Named, undici keeps its connections when the Host of requests changes.
  const { hostname } = url;
  const over = (by: Pool, { path, method, headers, body }: Http2Request, handler: Dispatcher.DispatchHandler) => {
    const to = { path, method: method as Dispatcher.HttpMethod, servername: hostname };
    const options = { ...to, headers: headers as string[], body };
    by.dispatch(options, handler);
  };
  const overHttp1: UpstreamClient['dispatch'] = (request, handler) => over(pool, request, handler);
  const anew: UpstreamClient['dispatch'] = (request, handler) => {
    unkept ??= http1(0);
    over(unkept, request, handler);
  };
  if (!priorKnowledge && (url.protocol !== 'https:' || !http2)) {
    return { dispatch: overHttp1, anew, [Symbol.asyncDispose]: close };
  }

  let isHttp1 = false;
  const connect = connector(true);
  const streams = http2Client({
    origin: url,
    headersTimeout: limits.responseTimeout * 1000,
    connect: () =>
      new Promise<Socket>((resolve, reject) => {
        const { hostname, host, protocol, port } = url;
        connect({ hostname, host, protocol, port }, (error, socket) => {
          if (error !== null) return reject(error);
          // RFC 7301 §3.2: the server chose.
          if (!priorKnowledge && (socket as TLSSocket).alpnProtocol !== 'h2') {
            isHttp1 = true;
            socket.destroy();
            return reject(new Error('the server does not speak HTTP/2'));
          }
          return resolve(socket);
        });
      }),
  });
  return {
    get anew() {
      return isHttp1 ? anew : undefined;
    },
    dispatch(request, handler) {
      if (isHttp1) return overHttp1(request, handler);
      streams.dispatch(request, handler).catch((error: Error) => {
        if (isHttp1) overHttp1(request, handler);
        else handler.onResponseError?.(unsent, error);
      });
    },
    async [Symbol.asyncDispose]() {
      streams[Symbol.dispose]();
      await close();
    },
  };
}

/** Of a request that no connection was found for. */
const unsent: Dispatcher.DispatchController = {
  aborted: false,
  paused: false,
  reason: null,
  abort: () => {},
  pause: () => {},
  resume: () => {},
};

/** Status of the answer to a GET. Rejects where there is none in time; `timeout` in seconds. */
export function probe(client: UpstreamClient, path: string, timeout: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let stop = reject;
    let answered = 0;
    const timer = setTimeout(() => stop(new Error('does not answer in time')), timeout * 1000);
    client.dispatch(
      { path, method: 'GET', headers: [], body: null },
      {
        onRequestStart(controller) {
          stop = (error) => controller.abort(error);
        },
        onResponseStart(_, status) {
          answered = status;
        },
        onResponseData() {},
        onResponseEnd() {
          clearTimeout(timer);
          resolve(answered);
        },
        onResponseError(_, error) {
          clearTimeout(timer);
          reject(error);
        },
      },
    );
  });
}
