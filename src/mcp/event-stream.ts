/**
 * Server-sent events of one session (MCP 2025-11-25 transports, "Resumability and Redelivery"). A stream outlives the
 * connection that reads it: what could not be delivered stays in a bounded log until somebody resumes the stream.
 *
 * Records and functions, not objects with methods: a gateway holds ten thousands of them that do nothing but wait.
 */

import type { ServerResponse } from 'node:http';

/** Only the functions of this module change it. */
export type EventStreams = Readonly<Streams>;
export type EventStream = Readonly<Stream>;

interface Streams {
  /** Bytes kept for a session. */
  readonly keep: number;
  /** Called with true when readers fall behind by more than is kept, with false when they have caught up; absent, they are cut. */
  readonly hold: ((on: boolean) => void) | undefined;
  /** Those with a reader, and those that more may be sent on. The others last as long as their events in the log. */
  open: readonly Stream[];
  readonly log: Event[];
  kept: number;
  opened: number;
  pressed: boolean;
}

interface Stream {
  readonly streams: Streams;
  readonly number: number;
  events: Event[];
  /** Who reads it. */
  res: ServerResponse | undefined;
  last: number;
  written: number;
  /** Bytes still to be written to the reader. */
  pending: number;
  finished: boolean;
  blocked: boolean;
  lastWrite: number;
}

interface Event {
  readonly stream: Stream;
  readonly number: number;
  readonly bytes: Buffer;
  readonly lost: (() => void) | undefined;
}

const overhead = 100;
const weight = (event: Event) => event.bytes.length + overhead;

export function eventStreams({ keep, hold }: Pick<EventStreams, 'keep' | 'hold'>): EventStreams {
  return { keep, hold, open: [], log: [], kept: 0, opened: 0, pressed: false };
}

/** What is sent while nobody reads it waits. */
export function openStream(streams: Streams): EventStream {
  const stream: Stream = {
    streams,
    number: streams.opened++,
    events: [],
    res: undefined,
    last: 0,
    written: 0,
    pending: 0,
    finished: false,
    blocked: false,
    lastWrite: 0,
  };
  keepOpen(stream);
  return stream;
}

/** The stream of an event id and the number of that event, unless it was forgotten. */
export function findEvent(
  { open, log }: EventStreams,
  eventId: string,
): { readonly stream: EventStream; readonly after: number } | undefined {
  const [, number, after] = /^(\d{1,15})\.(\d{1,15})$/.exec(eventId) ?? [];
  if (number === undefined) return undefined;
  const wanted = Number(number);
  const stream =
    open.find((one) => one.number === wanted) ?? log.find((event) => event.stream.number === wanted)?.stream;
  return stream && { stream, after: Number(after) };
}

/** `lost` is called when the message is thrown away unread. */
export function sendEvent(stream: Stream, bytes: Buffer, lost?: () => void): void {
  if (stream.finished) return;
  const { streams } = stream;
  // What is kept must not hold on to a chunk that it is the smaller part of.
  const own = bytes.length * 2 > bytes.buffer.byteLength ? bytes : Buffer.from(bytes);
  const event: Event = { stream, number: ++stream.last, bytes: own, lost };
  stream.events.push(event);
  stream.pending += bytes.length;
  streams.log.push(event);
  streams.kept += weight(event);
  evict(streams);
  pump(stream);
}

/**
 * Goes to this response from now on, after the event `after`, else after the last one written; a former reader is cut.
 * `opening` is what a reader gets before all else. A priming event lets the client resume even before the first message (2025-11-25 and later).
 */
export function attachReader(
  stream: Stream,
  to: ServerResponse,
  headers: Readonly<Record<string, string>>,
  {
    after,
    prime = false,
    opening,
  }: { readonly after?: number | undefined; readonly prime?: boolean; readonly opening?: string },
): void {
  const { streams, number, events } = stream;
  stream.res?.end();
  stream.res = to;
  stream.blocked = false;
  if (!streams.open.includes(stream)) keepOpen(stream);
  if (after !== undefined && after < stream.last) stream.written = after;
  const { written } = stream;
  stream.pending = events.reduce((sum, event) => (event.number > written ? sum + event.bytes.length : sum), 0);
  to.on('close', () => {
    if (stream.res !== to) return;
    detach(stream);
    // The server may have waited for this reader.
    moved(streams);
  });
  to.on('drain', () => {
    if (stream.res !== to) return;
    stream.blocked = false;
    pump(stream);
  });
  // Connection closed already: the stream waits for one who resumes it.
  if (to.destroyed || to.writableEnded) return void detach(stream);
  writeEventsHead(to, headers);
  if (opening !== undefined) write(stream, opening);
  else if (prime) write(stream, `id: ${number}.${written}\ndata: \n\n`);
  else to.flushHeaders();
  stream.lastWrite = Date.now();
  pump(stream);
}

/** Nothing more will be sent: the response ends when all is written. */
export function finishStream(stream: Stream): void {
  stream.finished = true;
  pump(stream);
  if (stream.res === undefined) forget(stream);
}

/** Takes what nobody has read yet. */
export function takeUnsent(stream: Stream): readonly Pick<Event, 'bytes' | 'lost'>[] {
  const { streams, written } = stream;
  if (written === stream.last) return [];
  const unsent = stream.events.filter((event) => event.number > written);
  for (const event of unsent) {
    const at = streams.log.indexOf(event);
    if (at < 0) continue;
    streams.log.splice(at, 1);
    streams.kept -= weight(event);
  }
  stream.events = stream.events.filter((event) => event.number <= written);
  stream.written = stream.last;
  stream.pending = 0;
  return unsent;
}

export function isRead({ res }: EventStream): boolean {
  return res !== undefined;
}

export function isAnyRead({ open }: EventStreams): boolean {
  return open.some(isRead);
}

/** Comments on streams quiet for `keepAlive` seconds; cuts those whose reader took nothing for `stalled` seconds. */
export function sweepStreams({ open }: EventStreams, keepAlive: number, stalled: number): void {
  for (const stream of open) {
    if (stream.res === undefined) continue;
    const quiet = Date.now() - stream.lastWrite;
    if (stream.blocked && quiet > stalled * 1000) stream.res.destroy();
    else if (!stream.blocked && quiet >= keepAlive * 1000) write(stream, ': keep-alive\n\n');
  }
}

export function finishAll({ open }: EventStreams): void {
  for (const stream of open) finishStream(stream);
}

function write(stream: Stream, text: string | Buffer): void {
  stream.lastWrite = Date.now();
  stream.blocked = stream.res?.write(text) === false;
}

function pump(stream: Stream): void {
  for (let event = next(stream); stream.res && !stream.blocked && event; event = next(stream)) {
    write(stream, frame(`id: ${stream.number}.${event.number}\nevent: message\ndata: `, event.bytes));
    stream.written = event.number;
    stream.pending -= event.bytes.length;
  }
  const { res } = stream;
  if (stream.finished && res && !next(stream)) {
    detach(stream);
    res.end();
  }
  moved(stream.streams);
}

function next({ events, written }: Stream): Event | undefined {
  const [first] = events;
  return first && events[Math.max(0, written + 1 - first.number)];
}

function detach(stream: Stream): void {
  stream.res = undefined;
  stream.blocked = false;
  if (stream.finished) forget(stream);
}

/** Not `push`, which makes room for sixteen more. */
function keepOpen(stream: Stream): void {
  stream.streams.open = stream.streams.open.concat(stream);
}

/** Its events, as far as they are kept, are all that is left of it. */
function forget({ streams, number }: Stream): void {
  streams.open = streams.open.filter((one) => one.number !== number);
}

function moved(streams: Streams): void {
  evict(streams);
  weigh(streams);
}

function evict(streams: Streams): void {
  const { keep, log } = streams;
  while (streams.kept > keep && log.length > 1) {
    const [oldest] = log;
    if (!oldest || isStillToBeWritten(oldest)) return;
    log.shift();
    streams.kept -= weight(oldest);
    const { stream } = oldest;
    stream.events.shift();
    if (oldest.number <= stream.written) continue;
    stream.written = oldest.number;
    stream.pending -= oldest.bytes.length;
    oldest.lost?.();
  }
}

/** To a reader who is there. */
function isStillToBeWritten({ stream, number }: Event): boolean {
  return stream.res !== undefined && number > stream.written;
}

function weigh(streams: Streams): void {
  let pending = 0;
  for (const stream of streams.open) if (stream.res) pending += stream.pending;
  const behind = streams.pressed ? pending > streams.keep / 2 : pending > streams.keep;
  if (behind === streams.pressed) return;
  streams.pressed = behind;
  if (streams.hold) streams.hold(behind);
  else if (behind) cut(streams);
}

/** Drops the readers that are behind; what they missed can be resumed as far as it is kept. */
function cut({ open }: Streams): void {
  for (const { blocked, res } of open) if (blocked) res?.destroy();
}

export function writeEventsHead(res: ServerResponse, headers: Readonly<Record<string, string>>): void {
  // It may last for days, and the token that opened it is not kept for as long.
  res.req.headers.authorization = undefined;
  res.req.rawHeaders.length = 0;
  const all = {
    ...headers,
    'content-type': 'text/event-stream',
    'cache-control': 'no-store, no-transform',
    // TR-37: proxies that buffer would hold back a stream for ever.
    'x-accel-buffering': 'no',
  };
  // A flat list is what Node writes the quickest.
  res.writeHead(200, Object.entries(all).flat());
}

/** A raw carriage return would end the line, and can only be space in JSON. */
export function frame(head: string, json: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.from(head), json, Buffer.from('\n\n')]);
  if (json.includes(0x0d)) {
    for (let i = head.length; i < bytes.length; i++) if (bytes[i] === 0x0d) bytes[i] = 0x20;
  }
  return bytes;
}
