/** The least of an entrypoint: a handler over a real loopback socket, for tests of a service alone. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Log, silent } from '../../src/log.ts';
import { type Caller, type Handler, Refusal, type Reply, refusal, streamed } from '../../src/router/handler.ts';

export interface Served extends AsyncDisposable {
  readonly url: string;
}

/** The header `x-test-user` names the caller, as a guard would have settled it. */
export async function serve(service: Handler, log: Log = silent): Promise<Served> {
  const server = createServer((req, res) => void answer(service, req, res, log));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(service: Handler, req: IncomingMessage, res: ServerResponse, log: Log): Promise<void> {
  const url = new URL(req.url ?? '/', 'http://127.0.0.1');
  const caller = callerOf(req);
  let reply: Reply | typeof streamed;
  try {
    reply = await service({
      req,
      res,
      scheme: 'http',
      host: '127.0.0.1',
      path: url.pathname,
      query: url.search,
      clientAddress: '127.0.0.1',
      log,
      notes: {},
      trace: { requestId: 'request', traceId: '1'.repeat(32), spanId: '1'.repeat(16), sampled: true },
      body: (limit) => body(req, limit),
      ...(caller && { caller }),
    });
  } catch (error) {
    if (!(error instanceof Refusal)) log.error('bug', { error });
    reply = error instanceof Refusal ? error.reply : { status: 500, body: { error: String(error) } };
  }
  if (reply === streamed) return;
  const content = reply.body;
  const bytes =
    content === undefined || typeof content === 'string' || Buffer.isBuffer(content)
      ? content
      : JSON.stringify(content);
  for (const [name, value] of Object.entries(reply.headers ?? {})) res.setHeader(name, value);
  res.writeHead(reply.status).end(bytes);
}

function callerOf(req: IncomingMessage): Caller | undefined {
  const name = req.headers['x-test-user'];
  if (typeof name !== 'string') return undefined;
  const clientId = String(req.headers['x-test-client'] ?? 'client');
  return { subject: `test:${name}`, username: name, clientId, scope: new Set(), expiresAt: Date.now() / 1000 + 3600 };
}

async function body(req: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size > limit) throw refusal(413, 'invalid_request', `the body is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
