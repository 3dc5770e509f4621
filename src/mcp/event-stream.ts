/**
 * Server-sent events of one session (MCP 2025-11-25 transports, "Resumability and Redelivery"). A stream outlives the
 * connection that reads it: what could not be delivered stays in a bounded log until somebody resumes the stream.
 */

import type { ServerResponse } from 'node:http';

export interface EventStreams {
  /** The stream of what belongs to no request. What is sent while nobody reads it waits. */
  readonly standing: EventStream;
  open(): EventStream;
  /** The stream of an event id and the number of that event, unless it was forgotten. */
  find(eventId: string): { readonly stream: EventStream; readonly after: number } | undefined;
  /** Comments on streams quiet for `keepAlive` seconds; cuts those whose reader took nothing for `stalled` seconds. */
  sweep(keepAlive: number, stalled: number): void;
  /** Drops the readers that are behind; what they missed can be resumed as far as it is kept. */
  cut(): void;
  readonly attached: number;
  close(): void;
}

export interface EventStream {
  /** `lost` is called when the message is thrown away unread. */
  send(bytes: Buffer, lost?: () => void): void;
  /**
   * Goes to this response from now on, after the event `after`, else after the last one written; a former reader is cut.
   * `opening` is what a reader gets before all else. A priming event lets the client resume even before the first message (2025-11-25 and later).
   */
  attach(
    res: ServerResponse,
    headers: Readonly<Record<string, string>>,
    options?: { readonly after?: number; readonly prime?: boolean; readonly opening?: string },
  ): void;
  /** Nothing more will be sent: the response ends when all is written. */
  finish(): void;
  readonly attached: boolean;
  /** Takes what nobody has read yet. */
  takeUnsent(): readonly { readonly bytes: Buffer; readonly lost: (() => void) | undefined }[];
}

export interface EventStreamsOptions {
  /** Bytes kept for a session. */
  readonly keep: number;
  /** Called with true when readers fall behind by more than is kept, with false when they have caught up. */
  readonly pressure: (on: boolean) => void;
}

interface Event {
  readonly stream: Stream;
  readonly number: number;
  readonly bytes: Buffer;
  readonly lost: (() => void) | undefined;
}

interface Stream extends EventStream {
  /** Drops its oldest event. */
  shift(): void;
  /** The oldest event is still to be written to a reader who is there. */
  readonly needsOldest: boolean;
  readonly pending: number;
  sweep(keepAlive: number, stalled: number): void;
  cut(): void;
  detach(): void;
}

const overhead = 100;
const weight = (event: Event) => event.bytes.length + overhead;

export function eventStreams({ keep, pressure }: EventStreamsOptions): EventStreams {
  const streams = new Map<number, Stream>();
  const log: Event[] = [];
  let kept = 0;
  let opened = 0;
  let pressed = false;

  const evict = () => {
    while (kept > keep && log.length > 1) {
      const oldest = log[0];
      if (!oldest || oldest.stream.needsOldest) return;
      log.shift();
      kept -= weight(oldest);
      oldest.stream.shift();
    }
  };

  const weigh = () => {
    let pending = 0;
    for (const stream of streams.values()) pending += stream.pending;
    const behind = pressed ? pending > keep / 2 : pending > keep;
    if (behind === pressed) return;
    pressed = behind;
    pressure(behind);
  };

  const remove = (event: Event) => {
    const at = log.indexOf(event);
    if (at < 0) return;
    log.splice(at, 1);
    kept -= weight(event);
  };

  const open = (): Stream => {
    const number = opened++;
    const stream = eventStream({
      number,
      record(event) {
        log.push(event);
        kept += weight(event);
        evict();
      },
      remove,
      moved() {
        evict();
        weigh();
      },
      forgotten: () => streams.delete(number),
    });
    streams.set(number, stream);
    return stream;
  };

  const standing = open();
  return {
    standing,
    open,
    find(eventId) {
      const [, stream, number] = /^(\d{1,15})\.(\d{1,15})$/.exec(eventId) ?? [];
      const found = streams.get(Number(stream));
      return stream !== undefined && found ? { stream: found, after: Number(number) } : undefined;
    },
    sweep(keepAlive, stalled) {
      for (const stream of streams.values()) stream.sweep(keepAlive, stalled);
    },
    cut() {
      for (const stream of streams.values()) stream.cut();
    },
    get attached() {
      let count = 0;
      for (const stream of streams.values()) if (stream.attached) count++;
      return count;
    },
    close() {
      for (const stream of streams.values()) stream.finish();
      for (const { lost } of standing.takeUnsent()) lost?.();
      streams.clear();
    },
  };
}

interface StreamOptions {
  readonly number: number;
  record(event: Event): void;
  remove(event: Event): void;
  moved(): void;
  forgotten(): void;
}

function eventStream(options: StreamOptions): Stream {
  const { number } = options;
  let events: Event[] = [];
  let res: ServerResponse | undefined;
  let last = 0;
  let written = 0;
  let pending = 0;
  let finished = false;
  let blocked = false;
  let lastWrite = 0;

  const next = (): Event | undefined => {
    const first = events[0];
    return first && events[Math.max(0, written + 1 - first.number)];
  };

  const write = (text: string | Buffer) => {
    lastWrite = Date.now();
    blocked = res?.write(text) === false;
  };

  const pump = () => {
    for (let event = next(); res && !blocked && event; event = next()) {
      write(frame(`id: ${number}.${event.number}\nevent: message\ndata: `, event.bytes));
      written = event.number;
      pending -= event.bytes.length;
    }
    if (finished && res && !next()) {
      const done = res;
      detach();
      done.end();
    }
    options.moved();
  };

  const detach = () => {
    res = undefined;
    blocked = false;
    if (finished && events.length === 0) options.forgotten();
  };

  const stream: Stream = {
    send(bytes, lost) {
      if (finished) return;
      // What is kept must not hold on to a chunk that it is the smaller part of.
      const own = bytes.length * 2 > bytes.buffer.byteLength ? bytes : Buffer.from(bytes);
      const event: Event = { stream, number: ++last, bytes: own, lost };
      events.push(event);
      pending += bytes.length;
      options.record(event);
      pump();
    },
    attach(to, headers, { after, prime = false, opening } = {}) {
      res?.end();
      res = to;
      blocked = false;
      if (after !== undefined && after < last) written = after;
      pending = events.reduce((sum, event) => (event.number > written ? sum + event.bytes.length : sum), 0);
      to.on('close', () => {
        if (res !== to) return;
        detach();
        // The server may have waited for this reader.
        options.moved();
      });
      to.on('drain', () => {
        if (res !== to) return;
        blocked = false;
        pump();
      });
      // Connection closed already: the stream waits for one who resumes it.
      if (to.destroyed || to.writableEnded) return detach();
      to.writeHead(200, {
        ...headers,
        'content-type': 'text/event-stream',
        'cache-control': 'no-store, no-transform',
        'x-accel-buffering': 'no',
      });
      if (opening !== undefined) write(opening);
      else if (prime) write(`id: ${number}.${written}\ndata: \n\n`);
      else to.flushHeaders();
      lastWrite = Date.now();
      pump();
    },
    finish() {
      finished = true;
      pump();
      if (!res && events.length === 0) options.forgotten();
    },
    get attached() {
      return res !== undefined;
    },
    takeUnsent() {
      if (written === last) return [];
      const unsent = events.filter((event) => event.number > written);
      for (const event of unsent) options.remove(event);
      events = events.filter((event) => event.number <= written);
      written = last;
      pending = 0;
      return unsent;
    },
    shift() {
      const event = events.shift();
      if (event && event.number > written) {
        written = event.number;
        pending -= event.bytes.length;
        event.lost?.();
      }
      if (finished && !res && events.length === 0) options.forgotten();
    },
    get needsOldest() {
      return res !== undefined && events[0] !== undefined && events[0].number > written;
    },
    get pending() {
      return res ? pending : 0;
    },
    sweep(keepAlive, stalled) {
      if (!res) return;
      const quiet = Date.now() - lastWrite;
      if (blocked && quiet > stalled * 1000) res.destroy();
      else if (!blocked && quiet >= keepAlive * 1000) write(': keep-alive\n\n');
    },
    cut: () => void (blocked && res?.destroy()),
    detach,
  };
  return stream;
}

/** A raw carriage return would end the line, and can only be space in JSON. */
export function frame(head: string, json: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.from(head), json, Buffer.from('\n\n')]);
  if (json.includes(0x0d)) {
    for (let i = head.length; i < bytes.length; i++) if (bytes[i] === 0x0d) bytes[i] = 0x20;
  }
  return bytes;
}
