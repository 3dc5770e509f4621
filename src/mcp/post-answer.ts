/**
 * The answer to one POST (MCP 2025-11-25 transports, "Sending Messages to the Server"): JSON where the server has nothing
 * to say before it, else an event stream that ends after the last answer.
 */

import type { ServerResponse } from 'node:http';
import { type Answer, streamed } from '../router/handler.ts';
import type { Accepted } from './accept.ts';
import {
  attachReader,
  type EventStream,
  type EventStreams,
  finishStream,
  openStream,
  sendEvent,
} from './event-stream.ts';

/** Where the answers to some requests go, and what comes before them. */
export interface Answering {
  /** The answer to one of the requests; the status counts where nothing has been sent yet. */
  respond(bytes: Buffer, status?: number): void;
  /** Sends something that comes before the answers. False where this client takes no event stream. */
  precede(bytes: Buffer, lost?: () => void): boolean;
  /** Takes more than the answers: its stream has begun, or can. */
  streams(): boolean;
  /** Somebody reads what is sent now. */
  reachable(): boolean;
}

export interface PostAnswer extends Answering {
  readonly reply: Promise<Answer>;
}

export interface PostAnswerOptions {
  readonly res: ServerResponse;
  readonly accepted: Accepted;
  readonly batch: boolean;
  /** Requests in the body. */
  readonly count: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Seconds until the client gets a stream that it can resume; never where absent. */
  readonly streamAfter?: number;
  readonly prime: boolean;
  /** Of the session. */
  readonly streams: EventStreams;
}

/** All on a stream that stays, as 2024-11-05 has it. */
export function answeringOn(stream: EventStream): Answering {
  return {
    respond: (bytes) => sendEvent(stream, bytes),
    precede(bytes, lost) {
      sendEvent(stream, bytes, lost);
      return true;
    },
    streams: () => false,
    reachable: () => false,
  };
}

export function postAnswer(options: PostAnswerOptions): PostAnswer {
  const { res, accepted, headers } = options;
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const held: Buffer[] = [];
  let open = options.count;
  let worst = 200;
  let stream: EventStream | undefined;

  const upgrade = (): EventStream => {
    if (stream) return stream;
    clearTimeout(timer);
    stream = openStream(options.streams);
    attachReader(stream, res, headers, { prime: options.prime });
    for (const bytes of held.splice(0)) sendEvent(stream, bytes);
    resolve(streamed);
    return stream;
  };
  const timer =
    options.streamAfter === undefined || !accepted.stream ? undefined : setTimeout(upgrade, options.streamAfter * 1000);
  if (!accepted.json) upgrade();

  return {
    reply: promise,
    // No getters: an object of each call that has one has a map of its own, which V8 keeps until it collects the old.
    respond(bytes, status = 200) {
      open--;
      worst = Math.max(worst, status);
      if (stream) sendEvent(stream, bytes);
      else held.push(bytes);
      if (open > 0) return;
      clearTimeout(timer);
      if (stream) return finishStream(stream);
      const body = options.batch
        ? Buffer.concat(held.flatMap((item, i) => [Buffer.from(i ? ',' : '['), item]).concat(Buffer.from(']')))
        : held[0];
      resolve({ status: worst, headers: { ...headers, 'content-type': 'application/json' }, ...(body && { body }) });
    },
    precede(bytes, lost) {
      if (!accepted.stream) return false;
      sendEvent(upgrade(), bytes, lost);
      return true;
    },
    streams() {
      return accepted.stream && (stream !== undefined || !res.destroyed);
    },
    reachable() {
      return !res.destroyed;
    },
  };
}
