/** What an HTTP server answers, as messages: out of a body, or out of a stream that may be left and taken up again. */

import { setTimeout as delay } from 'node:timers/promises';
import type { ServerSentEvent } from './event-source.ts';
import { elements } from './json-text.ts';
import { isObject, type Message, type Params, readLine } from './message.ts';
import type { RemoteAnswer } from './remote-server.ts';

/** Milliseconds before a broken stream is asked for again, where the server does not say. */
export const firstPause = 1000;
/** Milliseconds; longer ones are cut. */
export const longestPause = 30_000;

/** Where a stream was when it ended. */
export interface Position {
  id?: string;
  /** Milliseconds before it may be asked for again. */
  pause: number;
}

/** Each message of a stream, one at a time; `at` is kept up to date. Rejects as the stream does. */
export async function follow(
  stream: AsyncIterable<ServerSentEvent>,
  at: Position,
  to: (message: Message) => Promise<void>,
): Promise<void> {
  for await (const { data, id, retry } of stream) {
    if (id !== undefined) at.id = id;
    if (retry !== undefined) at.pause = Math.min(retry, longestPause);
    for (const message of data === '' ? [] : messagesIn(data)) await to(message);
  }
}

/** A call is asked after so often without a word of the server in between. */
const mostResumptions = 5;

/** 2025-11-25 §"Resumability and Redelivery": a stream that ended before its answer goes on where it was. */
export async function resumed(
  at: Position,
  answered: () => boolean,
  again: () => Promise<RemoteAnswer>,
  to: (message: Message) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for (let left = mostResumptions; left > 0 && !answered() && at.id !== undefined; left--) {
    const from = at.id;
    await delay(at.pause, undefined, { signal });
    const answer = await again().catch(() => undefined);
    if (answer?.events === undefined) continue;
    // Where it breaks off again, it is asked for again.
    await follow(answer.events, at, to).catch(() => undefined);
    if (at.id !== from) left = mostResumptions;
  }
}

/** Messages of one answer; 2025-03-26 may send several as an array. */
export function messagesIn(text: string): Message[] {
  const bytes = Buffer.from(text);
  const parts = /^\s*\[/.test(text) ? elements(bytes).map(({ start, end }) => bytes.subarray(start, end)) : [bytes];
  return parts.map((part) => readLine(part)).filter((message) => message !== undefined);
}

export function errorIn(text: string): Params | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && isObject(value.error) && typeof value.error.code === 'number' ? value.error : undefined;
  } catch {
    return undefined;
  }
}

/** Nothing was heard of the server at all. */
export function unreachable(error: unknown): boolean {
  return error instanceof Error && 'code' in error;
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
