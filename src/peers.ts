/** Gateways on one store: a request for a session whose process runs at another gateway is handed to that one. */

import { hkdfSync, randomBytes } from 'node:crypto';
import { Agent, request } from 'node:https';
import { pipeline } from 'node:stream/promises';
import type { TLSSocket } from 'node:tls';
import type { Log } from './log.ts';
import { type EntrypointLimits, listen } from './router/entrypoint.ts';
import { type Answer, type Exchange, type Handler, refusal, streamed, traceHeaders } from './router/handler.ts';
import { collection, type Store } from './store/store.ts';

export interface Peers extends AsyncDisposable {
  /** Begins the ids of our sessions, so that every gateway knows whose they are. */
  readonly id: string;
  /** `service` for what is ours, the owner for what is another's. */
  forwarding(service: Handler): Handler;
}

export interface PeersOptions {
  readonly store: Store;
  /** Known to all gateways of this store and to nobody else. */
  readonly secret: string;
  /** Where the others reach us. */
  readonly address: string;
  readonly limits: EntrypointLimits;
  readonly log: Log;
  /** All that the gateway serves: a handed request passes the guard at its owner too. */
  readonly handler: Handler;
}

/** Seconds after which a gateway that no longer says so is taken for dead, and between two times that it does. */
const lease = 15;
const renewEvery = 5;
const connectTimeout = 3000;

const idForm = /^([\w-]{16})\.[\w-]{32}$/;
/** Says that a request was handed on once; it is not handed on again. */
const handed = 'x-gateway-handed';
const everyAddress = ['0.0.0.0/0', '::/0'];

/** Resolves when the others can reach us. */
export async function openPeers({ store, secret, address, limits, log, handler }: PeersOptions): Promise<Peers> {
  const id = randomBytes(12).toString('base64url');
  const leases = collection<{ readonly address: string }>(store, 'gateway');
  // RFC 4279, RFC 5489: both sides prove that they know the secret, and what they say is encrypted.
  const psk = Buffer.from(hkdfSync('sha256', secret, '', 'mcp-gateway peers', 32));
  const channel = { ciphers: 'ECDHE-PSK-CHACHA20-POLY1305', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
  const own = { ...channel, pskCallback: () => psk };
  const secure = { options: own, attach() {} };
  await using opening = new AsyncDisposableStack();
  // Whoever knows the secret is believed about the client it speaks for.
  const entrypoint = opening.use(
    await listen({ address, limits, log, secure, trustedProxies: everyAddress, accessLog: false }, handler),
  );
  const announce = async () => void (await leases.set(id, { address: entrypoint.address }, { ttl: lease }));
  await announce();
  const timer = setInterval(
    () => announce().catch((error: unknown) => log.warn('lease not renewed', { error })),
    renewEvery * 1000,
  );
  opening.defer(async () => {
    clearInterval(timer);
    // Where the store is away the lease ends by itself.
    await leases.delete(id).catch(() => undefined);
  });
  const agent = opening.adopt(
    new Agent({
      ...channel,
      keepAlive: true,
      pskCallback: () => ({ identity: 'mcp-gateway', psk }),
      // The secret says who it is.
      checkServerIdentity: () => undefined,
    }),
    (each) => each.destroy(),
  );
  const running = opening.move();

  const gone = () => refusal(404, 'not_found', 'there is no such session any more; initialize again');

  async function handOn(exchange: Exchange, owner: string): Promise<Answer> {
    const found = await leases.get(owner);
    if (found === undefined) throw gone();
    const { req, res } = exchange;
    const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(found.address) ?? [];
    const { method = 'GET' } = req;
    const target = { host, port: Number(port), method, path: `${exchange.path}${exchange.query}` };
    const outgoing = request({ agent, ...target, headers: headersFor(exchange) });
    res.once('close', () => outgoing.destroy());
    const answered = new Promise<Answer>((resolve, reject) => {
      outgoing.once('socket', (socket) => {
        if (!(socket as TLSSocket).connecting) return;
        const late = () => outgoing.destroy(new Error('the gateway that has the session does not answer'));
        const timer = setTimeout(late, connectTimeout);
        socket.once('secureConnect', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
      });
      outgoing.once('response', (incoming) => {
        const { connection, 'keep-alive': _, 'transfer-encoding': __, ...headers } = incoming.headers;
        res.writeHead(incoming.statusCode ?? 502, headers);
        pipeline(incoming, res).then(
          () => resolve(streamed),
          () => resolve(streamed),
        );
      });
      outgoing.once('error', (error: NodeJS.ErrnoException) => {
        if (res.headersSent || res.destroyed) resolve(streamed);
        // Nobody listens there: it has died, and its sessions with it.
        else if (error.code === 'ECONNREFUSED') reject(gone());
        else reject(refusal(503, 'temporarily_unavailable', error.message, { headers: { 'retry-after': '5' } }));
      });
    });
    // What ends the sending ends the request, which tells.
    pipeline(req, outgoing).catch(() => undefined);
    return answered;
  }

  return {
    id,
    forwarding: (service) => (exchange) => {
      const { 'mcp-session-id': header, [handed]: before } = exchange.req.headers;
      // The transport of 2024-11-05 has it in the query.
      const session = header ?? new URLSearchParams(exchange.query).get('sessionId');
      const [, owner = id] = (typeof session === 'string' && idForm.exec(session)) || [];
      return owner === id || before !== undefined ? service(exchange) : handOn(exchange, owner);
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** As the client sent them, with what the owner cannot see for itself. */
function headersFor({ req, scheme, clientAddress, trace }: Exchange): Record<string, string | string[]> {
  const { connection, host, ...sent } = req.headers;
  const name = host ?? req.headers[':authority'];
  const headers: Record<string, string | string[]> = {};
  for (const [key, value] of Object.entries(sent))
    if (value !== undefined && !key.startsWith(':') && !/^(forwarded|x-forwarded-.*|keep-alive|upgrade)$/.test(key))
      headers[key] = value;
  return {
    ...headers,
    ...traceHeaders(trace),
    'x-request-id': trace.requestId,
    ...(typeof name === 'string' && { host: name, 'x-forwarded-host': name }),
    'x-forwarded-for': clientAddress,
    'x-forwarded-proto': scheme,
    [handed]: '1',
  };
}
