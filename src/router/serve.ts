/** Runs one request from its head to the last byte of its answer. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Log } from '../log.ts';
import { type AccessRecord, redactQuery, writeAccess } from './access-log.ts';
import type { AddressSet } from './addresses.ts';
import { type Exchange, type Handler, type Reply, refusal, streamed } from './handler.ts';
import { peerAddress } from './peer.ts';
import { replyTo, writeReply } from './reply.ts';
import { announcedLength, bodyReader } from './request-body.ts';
import { IdentifiedResponse } from './response-head.ts';
import { settle } from './settle.ts';
import { abandon, closeGently } from './socket-close.ts';
import { traceOf } from './trace-context.ts';

export interface ServeOptions {
  readonly trusted: AddressSet;
  readonly encrypted: boolean;
  readonly log: Log;
  readonly accessLog: boolean;
  readonly observe?: ((record: AccessRecord) => void) | undefined;
  /** Whether a trace that begins here is recorded. */
  readonly sample?: (() => boolean) | undefined;
}

/** What is known of a request before it is settled. */
type About = Pick<Exchange, 'log' | 'notes' | 'trace'>;

export interface Serving {
  serve(req: IncomingMessage, res: ServerResponse, upgrade?: Exchange['upgrade']): void;
  /** One line for what never became a request. */
  tell(record: AccessRecord): void;
  /** The answer under way on a socket. */
  on(socket: object): ServerResponse | undefined;
  /** Answers a request whose body turned out to be faulty, with `400 Bad Request` and the like; false where it is too late for that. */
  breakOff(res: ServerResponse, status: string): boolean;
  /** How many are not answered in full. */
  inFlight(): number;
  /** From now on every answer ends its connection. Resolves when none is in flight. */
  finish(): Promise<void>;
  handle(handler: Handler): void;
}

/** A response under way, and where it stands among them. */
interface Seat {
  readonly res: ServerResponse;
  at: number;
}

/** Of an unread body, what is taken in so that the connection can be used again. Bytes. */
const mostDiscarded = 256 * 1024;
/** Characters of it that are told. */
const longestUserAgent = 200;

export function serving(options: ServeOptions, handler: Handler): Serving {
  const { trusted, encrypted, log } = options;
  // No Set or Map of what comes and goes: each table V8 leaves behind points to the next one, and the first that has grown old
  // keeps all that was in them since until the old are collected.
  const bySocket = new WeakMap<object, { latest: ServerResponse | undefined }>();
  const inFlight: Seat[] = [];
  let current = handler;
  let onFinished: (() => void) | undefined;

  const placeOf = (socket: object): { latest: ServerResponse | undefined } => {
    const place = { latest: undefined };
    bySocket.set(socket, place);
    return place;
  };

  const leave = (seat: Seat) => {
    const last = inFlight.pop();
    if (last === undefined || last === seat) return;
    inFlight[seat.at] = last;
    last.at = seat.at;
  };

  const tell = (record: AccessRecord) => {
    if (options.accessLog) writeAccess(log, record);
    options.observe?.(record);
  };

  const answer = async (req: IncomingMessage, res: ServerResponse, about: About, upgrade: Exchange['upgrade']) => {
    try {
      const { scheme, host, path, query, clientAddress } = settle(req, trusted, encrypted);
      const { log, notes, trace } = about;
      notes.client = clientAddress;
      const body = bodyReader(req, res);
      // Written out, so that all exchanges have one shape.
      const exchange = { req, res, scheme, host, path, query, clientAddress, log, notes, trace, body };
      const reply = await current(upgrade === undefined ? exchange : { ...exchange, upgrade });
      if (reply !== streamed) write(req, res, about, reply);
    } catch (error) {
      refuse(req, res, about, error);
    }
  };

  const refuse = (req: IncomingMessage, res: ServerResponse, about: About, error: unknown) => {
    const reply = replyTo(error, about);
    try {
      if (res.headersSent || res.destroyed) abandon(res);
      else write(req, res, about, reply);
    } catch (error) {
      about.log.error('answer failed', { error });
      abandon(res);
    }
  };

  const write = (req: IncomingMessage, res: ServerResponse, about: About, reply: Reply) => {
    if (req.httpVersionMajor === 1 && !req.complete) endConnectionAfter(req, res, reply);
    try {
      writeReply(req, res, reply);
    } catch (error) {
      if (res.headersSent) throw error;
      // RFC 9110 §5.5: a header value with a line break, say; refused and never mended.
      startAgain(res);
      writeReply(req, res, replyTo(error, about));
    }
  };

  return {
    tell,
    inFlight: () => inFlight.length,
    on: (socket) => bySocket.get(socket)?.latest,
    breakOff(res, status) {
      if (res.writableEnded) return true;
      if (res.headersSent || res.req.complete) return false;
      startAgain(res);
      const description = 'the request body is not framed as HTTP demands';
      const { reply } = refusal(Number(status.slice(0, 3)), 'invalid_request', description);
      const last = { ...reply, headers: { connection: 'close' } };
      endConnectionAfter(res.req, res, last);
      writeReply(res.req, res, last);
      return true;
    },
    handle: (next) => {
      current = next;
    },
    finish: () => {
      for (const { res } of inFlight) endsConnection(res);
      return new Promise((resolve) => {
        onFinished = resolve;
        if (inFlight.length === 0) resolve();
      });
    },
    serve: (req, res, upgrade) => {
      const start = performance.now();
      const trace = traceOf(req.headers, options.sample);
      const { socket } = req;
      // Read now: a closed socket no longer knows its peer.
      const peer = peerAddress(socket);
      const about: About = { trace, notes: {}, log: log.with({ requestId: trace.requestId }) };
      const seat = { res, at: inFlight.length };
      inFlight.push(seat);
      const place = bySocket.get(socket) ?? placeOf(socket);
      place.latest = res;
      if (onFinished) endsConnection(res);
      // Known to the response itself, so that whoever writes its head need not know.
      if (res instanceof IdentifiedResponse) res.requestId = trace.requestId;
      else res.setHeader('x-request-id', trace.requestId);
      res.on('error', ignored);
      // Emitted once; `once` would cost each request a second function and its removal.
      res.on('close', () => {
        // Node says so in HTTP/1.1 only, and whoever would write later has to know.
        res.destroyed = true;
        leave(seat);
        if (place.latest === res) place.latest = undefined;
        if (inFlight.length === 0) onFinished?.();
        tell(recordOf(req, res, about, peer, performance.now() - start));
      });
      void answer(req, res, about, upgrade);
    },
  };
}

/** What stages set for an answer that is not given. */
function startAgain(res: ServerResponse): void {
  for (const name of res.getHeaderNames()) if (name !== 'x-request-id') res.removeHeader(name);
  if (res instanceof IdentifiedResponse) res.vary = '';
}

function endsConnection(res: ServerResponse): void {
  if (!res.headersSent && res.req.httpVersionMajor === 1) res.shouldKeepAlive = false;
}

/** A body that nobody read stands between this request and the next one on its connection. */
function endConnectionAfter(req: IncomingMessage, res: ServerResponse, reply: Reply): void {
  const length = announcedLength(req);
  // RFC 9110 §10.1.1: who answers instead of asking for the body cannot know whether it comes; the connection ends.
  const unasked = req.headers.expect !== undefined && !req.readableDidRead;
  const short = length !== undefined && length <= mostDiscarded;
  if (short && !unasked && reply.headers?.connection !== 'close') return;
  res.shouldKeepAlive = false;
  closeGently(req.socket);
}

function recordOf(
  req: IncomingMessage,
  res: ServerResponse,
  { notes, trace }: About,
  peer: string,
  duration: number,
): AccessRecord {
  const answered = res.headersSent || res.statusCode === 101;
  const target = req.url ?? '';
  const mark = target.indexOf('?');
  const record: { -readonly [K in keyof AccessRecord]: AccessRecord[K] } = {
    client: peer,
    method: req.method ?? '',
    host: String(req.headers[':authority'] ?? req.headers.host ?? ''),
    path: mark < 0 ? target : target.slice(0, mark) + redactQuery(target.slice(mark)),
    // 499: the client was gone before there was an answer; for the log alone.
    status: answered ? res.statusCode : 499,
    duration,
    protocol: `HTTP/${req.httpVersion}`,
    trace,
  };
  const userAgent = req.headers['user-agent'];
  if (userAgent !== undefined) record.userAgent = userAgent.slice(0, longestUserAgent);
  if (req.method === 'GET' && req.headers.accept?.includes('text/event-stream')) record.stream = true;
  if (!res.writableFinished) {
    if (res.statusCode !== 101) record.aborted = 'client';
  } else if (req.method !== 'HEAD') {
    // Where it is told in advance; counting would cost every chunk.
    const listed = res instanceof IdentifiedResponse ? res.announcedLength : undefined;
    const bytes = Number(listed ?? res.getHeader('content-length') ?? Number.NaN);
    if (bytes >= 0) record.bytes = bytes;
  }
  return Object.assign(record, notes);
}

function ignored(): void {}
