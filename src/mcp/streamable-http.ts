/** The Streamable HTTP transport of 2025-03-26 to 2025-11-25: one path, a session per client, POST, GET and DELETE. */

import { type Answer, type Exchange, streamed } from '../router/handler.ts';
import { accepted } from './accept.ts';
import type { Message } from './message.ts';
import { hasBatches, isLegacy } from './protocol-version.ts';
import { close, listen, post, type Session } from './session.ts';
import type { Sessions } from './sessions.ts';
import { rpcRefusal } from './unavailable.ts';

export interface StreamableHttp {
  post(exchange: Exchange, messages: readonly Message[], batch: boolean): Answer | Promise<Answer>;
  get(exchange: Exchange): Answer;
  delete(exchange: Exchange): Answer;
}

export function streamableHttp(sessions: Sessions): StreamableHttp {
  /** TR-19: without an id 400. TR-20: dead, unknown or somebody else's 404, so that the client starts anew. */
  const sessionOf = (exchange: Exchange): Session => {
    const { 'mcp-session-id': id, 'mcp-protocol-version': version } = exchange.req.headers;
    if (typeof id !== 'string') throw rpcRefusal(400, 'the header Mcp-Session-Id is missing');
    const session = sessions.find(exchange, id);
    if (!session) throw rpcRefusal(404, 'there is no such session; initialize again');
    // TR-23: absent is taken for the negotiated one. A server may have settled on one we have never heard of.
    if (typeof version === 'string' && !isLegacy(version) && version !== session.version) {
      throw rpcRefusal(400, `the protocol version ${version.slice(0, 40)} is not supported`);
    }
    return session;
  };

  const initialize = async (exchange: Exchange, message: Message): Promise<Answer> => {
    const session = await sessions.open(exchange);
    const answer = await post(session, exchange, [message], false);
    // Nobody will ever learn of this session.
    if (exchange.res.destroyed) void close(session, 'the client left before it was initialized');
    return answer;
  };

  return {
    post(exchange, messages, batch) {
      const [first] = messages;
      const handshake = messages.find(isHandshake);
      if (first && handshake === first && !batch) return initialize(exchange, first);
      const session = sessionOf(exchange);
      if (handshake) throw rpcRefusal(400, 'initialize cannot be part of a batch');
      if (batch && !hasBatches(session.version)) throw rpcRefusal(400, 'batches exist in 2025-03-26 only');
      return post(session, exchange, messages, batch);
    },
    get(exchange) {
      // A browser, or a client that tries whether there is a stream without a session: there is none.
      if (exchange.req.headers['mcp-session-id'] === undefined || !accepted(exchange.req).stream) {
        return { status: 405, headers: { allow: 'POST, GET, DELETE' } };
      }
      const session = sessionOf(exchange);
      const last = exchange.req.headers['last-event-id'];
      if (!listen(session, exchange, typeof last === 'string' && last !== '' ? last : undefined)) {
        throw rpcRefusal(400, 'the event in Last-Event-ID is not known any more');
      }
      return streamed;
    },
    delete(exchange) {
      void close(sessionOf(exchange), 'ended by the client');
      return { status: 204 };
    },
  };
}

function isHandshake(message: Message): boolean {
  return message.kind === 'request' && message.method === 'initialize';
}
