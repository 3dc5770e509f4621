/**
 * The HTTP+SSE transport of 2024-11-05: a GET whose stream is the session, and a POST for each message to the address
 * that the stream names first. Answers come on the stream too.
 */

import { type Answer, type Exchange, type Handler, streamed } from '../router/handler.ts';
import { accepted, isJson } from './accept.ts';
import { attachReader, isRead } from './event-stream.ts';
import { readBody } from './message.ts';
import { accept, close } from './session.ts';
import type { Sessions } from './sessions.ts';
import { traced } from './trace-meta.ts';
import { rpcRefusal } from './unavailable.ts';

/** `limit` in bytes of one message. Rejects with Unavailable, RpcFault or a Refusal. */
export function httpSse(sessions: Sessions, limit: number): Handler {
  const open = async (exchange: Exchange): Promise<Answer> => {
    const { req, res } = exchange;
    if (!accepted(req).stream) throw rpcRefusal(406, 'Accept must allow text/event-stream');
    const session = await sessions.open(exchange);
    // 2024-11-05 transports: the first event says where to send messages. The stream is the session.
    const opening = `event: endpoint\ndata: ${exchange.path}?sessionId=${session.id}\n\n`;
    attachReader(session.standing, res, {}, { opening });
    const end = () => void close(session, 'the client has gone');
    if (res.destroyed) end();
    else res.once('close', end);
    return streamed;
  };

  const take = async (exchange: Exchange): Promise<Answer> => {
    const id = new URLSearchParams(exchange.query).get('sessionId');
    if (id === null) throw rpcRefusal(400, 'the sessionId is missing; open the stream by GET first');
    if (!isJson(exchange.req)) throw rpcRefusal(415, 'Content-Type must be application/json');
    const { messages, batch } = readBody(await exchange.body(limit), traced(exchange.trace));
    if (batch) throw rpcRefusal(400, 'batches exist in 2025-03-26 only');
    const session = sessions.find(exchange, id);
    if (!session || !isRead(session.standing)) throw rpcRefusal(404, 'there is no such session; open the stream anew');
    accept(session, exchange, messages);
    return { status: 202 };
  };

  return (exchange) => {
    if (exchange.req.method === 'GET') return open(exchange);
    if (exchange.req.method === 'POST') return take(exchange);
    return { status: 405, headers: { allow: 'GET, POST' } };
  };
}
