/** One client that speaks lines on stdio, of whatever revision, joined to a server of whatever revision. */

import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { BridgeLimits } from './config.ts';
import type { Visitor } from './connection.ts';
import type { JoinedServer } from './joined-server.ts';
import { type LastingSession, lastingSession } from './lasting-session.ts';
import { lines } from './lines.ts';
import {
  errorResponse,
  keyOf,
  type Message,
  type Notification,
  type Request,
  RpcFault,
  readBody,
  rpcCode,
} from './message.ts';
import { unfitRequest, unservedVersion } from './modern-fault.ts';
import { isModern } from './modern-revision.ts';
import { type Call, failure } from './modern-server.ts';

export interface StdioFrontOptions {
  readonly server: Pick<JoinedServer, 'join' | 'servers'>;
  readonly input: Readable;
  readonly output: Writable;
  readonly limits: BridgeLimits;
}

/** There is one client, whom nobody has to tell from others. */
const visitor: Visitor = { clientAddress: 'stdio' };
/** Milliseconds that calls under way have after the input has ended. */
const lastPatience = 10_000;
/** Milliseconds. */
const poll = 20;

/** Resolves when the client has closed its side and had its answers, or `signal` says that it is over. */
export async function stdioFront(options: StdioFrontOptions, signal: AbortSignal): Promise<void> {
  const { server, input, output, limits } = options;
  const calls = new Map<string, Call | undefined>();
  let session: LastingSession | undefined;
  let full = false;

  const tell = ({ bytes }: Pick<Message, 'bytes'>) => {
    output.write(bytes);
    // MCP 2025-11-25 transports, stdio: a message is one line.
    if (output.write('\n') || full) return;
    full = true;
    session?.hold(true);
    output.once('drain', () => {
      full = false;
      session?.hold(false);
    });
  };

  const call = async (request: Request) => {
    const key = keyOf(request.id);
    calls.set(key, undefined);
    try {
      const seat = await server.servers.open(visitor, request.params);
      // Cancelled while the server was sought.
      if (!calls.has(key)) return;
      let answered = false;
      const running = seat.server.call(
        request,
        {
          notify: (message) => calls.has(key) && tell(message),
          respond(response) {
            answered = true;
            seat.saw(request, response);
            if (calls.delete(key)) tell(response);
          },
        },
        { owner: seat.owner },
      );
      if (!answered) calls.set(key, running);
    } catch (error) {
      if (calls.delete(key)) tell(failure(request, error instanceof Error ? error.message : String(error)));
    }
  };

  const modern = (message: Request | Notification) => {
    const fault = unservedVersion(message) ?? (message.kind === 'request' ? unfitRequest(message) : undefined);
    if (message.kind === 'request') {
      if (fault) return tell(failure(message, fault.text, fault.code, fault.data));
      void call(message);
    } else if (!fault) {
      server.servers.open(visitor, message.params).then(
        (seat) => seat.server.notify(message),
        () => undefined,
      );
    }
  };

  /** 2026-07-28 stdio: a cancellation names the call of either era. */
  const cancelled = ({ params }: Notification): boolean => {
    const key = keyOf(params.requestId);
    if (!calls.has(key)) return false;
    calls.get(key)?.cancel(typeof params.reason === 'string' ? params.reason : 'cancelled by the client');
    calls.delete(key);
    return true;
  };

  const receive = (message: Message) => {
    if (message.kind === 'notification' && message.method === 'notifications/cancelled' && cancelled(message)) return;
    if (message.kind !== 'response' && isModern([message], {})) return modern(message);
    session ??= lastingSession({ open: (events) => server.join(visitor, 'stdio', events), tell });
    session.send(message);
  };

  const refuse = (code: number, text: string, id: string | number | null = null) =>
    tell({ bytes: errorResponse(id, code, text) });

  const framer = lines(limits.message, {
    line(line) {
      try {
        for (const message of readBody(line).messages) receive(message);
      } catch (error) {
        if (!(error instanceof RpcFault)) throw error;
        refuse(error.code, error.message, error.id);
      }
    },
    overflow: ({ size }) =>
      refuse(rpcCode.invalidRequest, `a message of ${size} bytes is longer than the ${limits.message} allowed`),
  });

  const busy = () => calls.size > 0 || session?.busy === true;

  /** Neither a server that reads nor an answer that comes has an event of its own. */
  const pause = () => delay(poll, undefined, { signal }).catch(() => undefined);

  const read = async () => {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      framer.push(chunk);
      while ((session?.backlog ?? 0) > limits.message && !signal.aborted) await pause();
    }
    framer.end();
    const until = Date.now() + lastPatience;
    while (busy() && Date.now() < until && !signal.aborted) await pause();
  };

  const stopped = signal.aborted ? Promise.resolve() : once(signal, 'abort');
  // A client that has died reads nothing more, and what is written to it is an error.
  const unread = new Promise((resolve) => output.on('error', resolve));
  try {
    await Promise.race([read(), stopped, unread]);
  } finally {
    for (const running of calls.values()) running?.cancel('the client is gone');
    await session?.close('the client is gone');
  }
}
