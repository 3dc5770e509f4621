/** The transport of 2024-11-05 towards a server that knows no other: messages by POST, and all it says on one stream. */

import type { Message } from './message.ts';
import { firstPause, follow, reasonOf } from './remote-answer.ts';
import { accept } from './remote-headers.ts';
import type { RemoteServer } from './remote-server.ts';

export interface FormerTransport {
  /** Resolves when the server has taken it; what it answers comes by the stream. Rejects where it does not take it. */
  post(message: Message, signal: AbortSignal): Promise<void>;
}

interface StreamEvents {
  hear(message: Message): Promise<void>;
  /** The session ended with its stream. */
  ended(reason: string): void;
}

/** Milliseconds that the server has to name the address for messages. */
const patience = 10_000;

/** 2025-11-25 transports, "Backwards Compatibility": how a server answers initialize that does not know this transport. */
export function mayBeFormer(message: Message, status: number): boolean {
  return message.kind === 'request' && message.method === 'initialize' && [400, 404, 405].includes(status);
}

/** 2024-11-05 transports, "HTTP with SSE". Undefined where the endpoint has no such stream; `signal` ends it. */
export async function openFormer(
  server: RemoteServer,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
  { hear, ended }: StreamEvents,
): Promise<FormerTransport | undefined> {
  const own = new AbortController();
  const timer = setTimeout(() => own.abort(), patience);
  try {
    const { events, text } = await server.ask({
      method: 'GET',
      headers: { accept: 'text/event-stream', ...headers },
      signal: AbortSignal.any([signal, own.signal]),
    });
    if (events === undefined) {
      await text();
      return undefined;
    }
    const { value: first } = await events.next();
    const path = first?.event === 'endpoint' ? server.at(first.data) : undefined;
    if (path === undefined) {
      own.abort();
      return undefined;
    }
    const over = (how: string) => ended(`the server ended the session: ${how}`);
    follow(events, { pause: firstPause }, hear).then(
      () => over('its stream is over'),
      (error: unknown) => over(reasonOf(error)),
    );
    return {
      async post({ bytes }, until) {
        const answer = await server.ask({
          method: 'POST',
          path,
          headers: { accept, ...headers },
          body: bytes,
          signal: until,
        });
        await answer.text();
        if (answer.status >= 300) throw new Error(`the server answered ${answer.status}`);
      },
    };
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
