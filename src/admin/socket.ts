/** The admin socket: HTTP with JSON over a unix socket that only the gateway's own user can open. */

import { chmodSync, existsSync, mkdirSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type * as z from 'zod';
import { type Asked, failure, jsonObject, type Operations } from '../console/operations.ts';
import type { Log } from '../log.ts';
import { Refusal, refusal } from '../router/handler.ts';

export const adminSocketPath = (stateDir: string): string => join(stateDir, 'admin.sock');

/** Bytes. */
const longestBody = 1024 * 1024;
/** Milliseconds a stop waits for operations under way. */
const patience = 5000;

/** Rejects with one sentence where another gateway answers there already, or the socket cannot be made. */
export async function openAdminSocket(path: string, operations: Operations, log: Log): Promise<AsyncDisposable> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  await removeStale(path);
  const server = createServer((req, res) => {
    void answer(req, operations, log)
      .catch((error: unknown) => {
        if (!(error instanceof Refusal)) log.warn('admin operation failed', { error });
        const { status, body } = failure(error).reply;
        return { status, body: body as object };
      })
      .then(({ status, body }) => send(res, status, body))
      // Who asked sees an answer that breaks off.
      .catch((error: unknown) => log.warn('admin operation broke off', { error }));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new Error(`cannot listen on ${path}: ${error.message}`, { cause: error })));
    // A socket is as open as the mask leaves it at the moment it is made; binding happens within the call.
    const mask = process.umask(0o177);
    server.listen(path, resolve);
    process.umask(mask);
  });
  chmodSync(path, 0o600);
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), patience);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** A socket file that a killed gateway left behind goes; a live one stays. */
async function removeStale(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const code = await new Promise<string>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => resolve('answered'));
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    probe.once('connect', () => probe.destroy());
  });
  if (code === 'answered') throw new Error(`${path}: another gateway answers there; give this one its own stateDir`);
  if (code === 'ECONNREFUSED') unlinkSync(path);
}

/** The body as an operation wants it, or its refusal. */
export function read<T>(schema: z.ZodType<T>, { body }: Asked): T {
  const { success, data, error } = schema.safeParse(body);
  if (success) return data;
  const [issue] = error.issues;
  throw refusal(400, 'invalid_request', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}`);
}

async function answer(
  req: IncomingMessage,
  operations: Operations,
  log: Log,
): Promise<{ status: number; body: object }> {
  const { pathname } = new URL(req.url ?? '/', 'http://admin');
  const slash = pathname.lastIndexOf('/');
  const exact = operations[`${req.method} ${pathname}`];
  const operation = exact ?? operations[`${req.method} ${pathname.slice(0, slash)}/*`];
  if (operation === undefined) throw refusal(404, 'not_found', 'the gateway has no such operation; is it older?');
  const name = exact === undefined ? decoded(pathname.slice(slash + 1)) : '';
  const body = await operation({ name, body: await bodyOf(req) });
  if (req.method !== 'GET') log.info('administered', { operation: `${req.method} ${pathname}` });
  return { status: 200, body };
}

async function bodyOf(req: IncomingMessage): Promise<Asked['body']> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > longestBody) throw refusal(413, 'invalid_request', 'the request is too large');
    chunks.push(chunk);
  }
  return jsonObject(Buffer.concat(chunks));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refusal(400, 'invalid_request', 'the name in the path cannot be read');
  }
}

async function send(res: ServerResponse, status: number, body: object): Promise<void> {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', connection: 'close' });
  if (Symbol.asyncIterator in body) await pipeline(Readable.from(body as AsyncIterable<string>), res);
  else res.end(JSON.stringify(body));
}
