/** 2026-07-28 over HTTP: every POST by itself. What a stdio server cannot see, headers and versions, is judged here. */

import type { Answer, Exchange } from '../router/handler.ts';
import { accepted } from './accept.ts';
import { type Called, outcomeOf } from './called.ts';
import type { BridgeLimits } from './config.ts';
import { find, splice } from './json-text.ts';
import {
  isObject,
  type Message,
  type Notification,
  type Request,
  type Response,
  RpcFault,
  rpcCode,
  textOf,
} from './message.ts';
import { type Mirrored, mirroredFault, standardFault } from './mirrored-headers.ts';
import { modernAnswer } from './modern-answer.ts';
import { type ModernFault, unfitRequest, unnamedVersion, unservedVersion } from './modern-fault.ts';
import { metaKey, metaOf, modernCode, modernVersions, statusOf } from './modern-revision.ts';
import { failure, isListen, type ModernServer, subscriptionOver } from './modern-server.ts';
import type { ToolPolicy } from './tool-policy.ts';
import { asRefusal, rpcRefusal, Unavailable } from './unavailable.ts';

export interface ModernHttp {
  /** Throws or rejects with what `asRefusal` knows. */
  post(exchange: Exchange, message: Message): Promise<Answer>;
  /** Ends subscriptions with their result, for a gateway that is about to stop; calls go on. */
  quiesce(): void;
}

/** One caller's place at a server. */
export interface Seat {
  readonly server: ModernServer;
  readonly owner: string;
  /** The arguments of a tool that headers repeat. */
  mirrored(tool: string): Promise<readonly Mirrored[]>;
  /** Every answer passes by, so that what it teaches is known: tools and open tasks. */
  saw(request: Request, response: Response): void;
}

export interface ModernHttpOptions {
  readonly limits: BridgeLimits;
  /** Seconds. */
  readonly requestTimeout: number;
  readonly policy: ToolPolicy;
  readonly called: Called;
  /** The server that this message goes to. Rejects with Unavailable or a Refusal. */
  open(exchange: Exchange, message: Request | Notification): Promise<Seat>;
}

/** A cancellation is a closed connection here, and could name somebody else's call; the others nobody listens for. */
const dropped = new Set(['notifications/cancelled', 'notifications/initialized', 'notifications/roots/list_changed']);

/** A call that reports progress may last so many times its timeout (TR-45: an absolute end all the same). */
const patience = 6;

export function modernHttp({ limits, requestTimeout, policy, called, open }: ModernHttpOptions): ModernHttp {
  const inFlight = new Map<string, number>();
  const subscriptions = new Set<() => void>();
  let quiet = false;

  const enter = (owner: string) => {
    const count = inFlight.get(owner) ?? 0;
    if (count >= limits.callsPerSession) throw new Unavailable(429, 'too many calls at once', { retryAfter: 1 });
    inFlight.set(owner, count + 1);
  };
  const leave = (owner: string) => {
    const left = (inFlight.get(owner) ?? 1) - 1;
    if (left > 0) inFlight.set(owner, left);
    else inFlight.delete(owner);
  };

  const call = async (exchange: Exchange, request: Request, ended: ReturnType<Called>): Promise<Answer> => {
    const accept = accepted(exchange.req);
    const listens = isListen(request);
    if (listens && quiet) throw new Unavailable(503, 'the gateway is stopping', { retryAfter: 5 });
    if (listens && !accept.stream) throw rpcRefusal(406, 'a subscription is an event stream', request.id);
    const seat = await open(exchange, request);
    const { server, owner } = seat;
    const { req, res } = exchange;
    if (request.method === 'tools/call') {
      const fault = mirroredFault(await seat.mirrored(textOf(request.params.name)), request.params, req.headers);
      if (fault !== undefined) {
        ended('refused');
        return refuse(request, mismatch(fault));
      }
    }
    if (server.backlog() > limits.message) throw new Unavailable(503, 'the server is behind', { retryAfter: 1 });
    // Gone while the server started: there is nothing to cancel yet.
    if (res.destroyed) return { status: 499 };
    enter(owner);

    const answer = modernAnswer(res, accept, limits);
    const until = Date.now() + patience * requestTimeout * 1000;
    let pending = true;
    const settle = (response: Response, status?: number) => {
      if (!pending) return;
      pending = false;
      clearTimeout(timer);
      subscriptions.delete(unsubscribe);
      leave(owner);
      ended(status !== undefined && status >= 500 ? 'failed' : outcomeOf(response));
      answer.respond(response, status);
    };
    const giveUp = (reason: string, response: Response, status?: number) => {
      if (!pending) return;
      running.cancel(reason);
      ended(response.error === undefined ? 'ok' : 'failed');
      settle(response, status);
    };
    const unsubscribe = () => giveUp('the gateway is stopping', subscriptionOver(request));
    const expire = () => {
      giveUp('timeout', failure(request, `the server did not answer within ${requestTimeout} s`), 504);
      server.suspect();
    };
    const timer = listens ? undefined : setTimeout(expire, requestTimeout * 1000);
    if (listens) subscriptions.add(unsubscribe);

    const running = server.call(
      request,
      {
        notify(message) {
          if (!pending) return;
          if (Date.now() < until) timer?.refresh();
          answer.notify(message);
        },
        respond(response, status) {
          seat.saw(request, response);
          settle(presented(request, response), status);
        },
      },
      { owner },
    );
    // TR-14: whoever hangs up has cancelled.
    res.once('close', () => giveUp('the client closed the connection', failure(request, 'cancelled')));
    return answer.reply;
  };

  /** What the client may see of an answer. */
  const presented = (request: Request, response: Response): Response => {
    if (request.method === 'tools/list') return { ...response, bytes: policy.filter(response) };
    if (request.method !== 'server/discover' || !isObject(response.result)) return response;
    // TR-46: the list says what is served here, not what the server could do elsewhere.
    const { supportedVersions } = response.result;
    const span = find(response.bytes, ['result', 'supportedVersions']);
    if (!span || !Array.isArray(supportedVersions)) return response;
    const kept = supportedVersions.filter((version) => modernVersions.includes(version));
    if (kept.length === supportedVersions.length) return response;
    return { ...response, bytes: splice(response.bytes, [{ ...span, text: JSON.stringify(kept) }]) };
  };

  return {
    async post(exchange, message) {
      // TR-07: without requests from servers there is nothing to respond to.
      if (message.kind === 'response') {
        throw new RpcFault(rpcCode.invalidRequest, 'responses are not accepted', message.id);
      }
      const fault = check(message, exchange);
      if (fault) return fault;
      if (message.kind === 'notification') {
        if (!dropped.has(message.method)) (await open(exchange, message)).server.notify(message);
        return { status: 202 };
      }
      const ended = called(exchange, message);
      const refused = policy.refuse(message);
      if (refused) {
        ended('refused');
        return { status: 200, headers: { 'content-type': 'application/json' }, body: refused };
      }
      try {
        return await call(exchange, message, ended);
      } catch (error) {
        ended('failed');
        throw asRefusal(error, message.id);
      }
    },
    quiesce() {
      quiet = true;
      for (const unsubscribe of [...subscriptions]) unsubscribe();
    },
  };
}

/** What is wrong with a message before any server is asked; undefined where nothing is. */
function check(message: Request | Notification, { req }: Exchange): Answer | undefined {
  const meta = metaOf(message.params);
  const claimed = meta[metaKey.protocolVersion];
  const header = req.headers['mcp-protocol-version'];
  const sent = typeof header === 'string' ? header.trim() : undefined;
  const request = message.kind === 'request';
  const unnamed = unnamedVersion(message);
  if (unnamed) return refuse(message, unnamed);
  // TR-24
  if (sent === undefined && request) {
    return refuse(message, mismatch('the header MCP-Protocol-Version is missing'));
  }
  if (claimed !== undefined && sent !== undefined && claimed !== sent) {
    return refuse(message, mismatch('the header MCP-Protocol-Version and _meta do not agree'));
  }
  const unserved = unservedVersion(message);
  if (unserved) return refuse(message, unserved);
  const fault = standardFault(message, req.headers);
  if (fault !== undefined) return refuse(message, mismatch(fault));
  const unfit = request ? unfitRequest(message) : undefined;
  return unfit && refuse(message, unfit);
}

const mismatch = (text: string): ModernFault => ({ code: modernCode.headerMismatch, text });

/** Judged here and not by a handler, so -32602 is 400 too (2026-07-28 basic, `_meta`). */
function refuse(message: Request | Notification, { code, text, data }: ModernFault): Answer {
  const headers = { 'content-type': 'application/json' };
  const status = code === rpcCode.invalidParams ? 400 : statusOf({ code });
  if (message.kind === 'request') return { status, headers, body: failure(message, text, code, data).bytes };
  const error = { code, message: text, ...(data !== undefined && { data }) };
  return { status, headers, body: { jsonrpc: '2.0', id: null, error } };
}
