/** Any client of Streamable HTTP to one stdio server: decides the era of each request and owns all that runs. */

import type { IncomingMessage } from 'node:http';
import type { Answer, Exchange, Handler } from '../router/handler.ts';
import { accepted, isJson } from './accept.ts';
import { calledAt } from './called.ts';
import type { ChildrenStatus } from './children.ts';
import type { StdioServerConfig } from './config.ts';
import { httpSse } from './http-sse.ts';
import { type JoinedServerOptions, joinedServer } from './joined-server.ts';
import { readBody } from './message.ts';
import { modernHttp } from './modern-http.ts';
import { isModern, modernVersions } from './modern-revision.ts';
import { sessions } from './sessions.ts';
import { streamableHttp } from './streamable-http.ts';
import { toolPolicy } from './tool-policy.ts';
import { traced } from './trace-meta.ts';
import { asRefusal, rpcRefusal } from './unavailable.ts';

export interface Bridge extends AsyncDisposable {
  /** The MCP endpoint. */
  readonly service: Handler;
  /** The endpoint of 2024-11-05, for clients that know no other. */
  readonly sse: Handler;
  /** Ends what only listens, so that a gateway which is about to stop need not wait for it. */
  quiesce(): void;
  status(): BridgeStatus;
}

export interface BridgeStatus extends ChildrenStatus {
  readonly sessions: number;
}

export interface BridgeDeps extends Omit<JoinedServerOptions, 'config'> {
  /** Begins the ids of sessions, where there are several gateways. */
  readonly gatewayId?: string | undefined;
}

export function bridge(name: string, config: StdioServerConfig, deps: BridgeDeps): Bridge {
  const { limits, gatewayId } = deps;
  const log = deps.log.with({ server: name });
  const server = joinedServer({ ...deps, config, log });
  const table = sessions({ config, limits, log, connect: server.join, called: calledAt(name, 'legacy'), gatewayId });
  const legacy = streamableHttp(table);
  const modern = modernHttp({
    limits,
    requestTimeout: config.requestTimeout,
    policy: toolPolicy(config.tools),
    called: calledAt(name, 'modern'),
    open: (exchange, { params }) => server.servers.open(exchange, params),
  });

  const post = (exchange: Exchange, body: Buffer): Answer | Promise<Answer> => {
    const { messages, batch } = readBody(body, traced(exchange.trace));
    const [only] = messages;
    // TR-50: each request says itself which era it belongs to.
    if (only && isModern(messages, exchange.req.headers)) return modern.post(exchange, only);
    return legacy.post(exchange, messages, batch);
  };

  const sse = httpSse(table, limits.message);

  return {
    async sse(exchange) {
      try {
        return await sse(exchange);
      } catch (error) {
        throw asRefusal(error);
      }
    },
    async service(exchange) {
      try {
        if (exchange.req.method === 'POST') {
          checkHead(exchange.req);
          return await post(exchange, await exchange.body(limits.message));
        }
        // TR-36: the modern era is POST alone.
        const version = exchange.req.headers['mcp-protocol-version'];
        if (typeof version === 'string' && modernVersions.includes(version)) {
          return { status: 405, headers: { allow: 'POST' } };
        }
        if (exchange.req.method === 'GET') return legacy.get(exchange);
        if (exchange.req.method === 'DELETE') return legacy.delete(exchange);
        return { status: 405, headers: { allow: 'POST, GET, DELETE' } };
      } catch (error) {
        throw asRefusal(error);
      }
    },
    quiesce() {
      table.quiesce();
      modern.quiesce();
    },
    status: () => ({ ...server.pool.status(), sessions: table.size }),
    async [Symbol.asyncDispose]() {
      await Promise.all([table[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]);
    },
  };
}

/** Refuses what need not be read. */
function checkHead(req: IncomingMessage): void {
  const { json, stream } = accepted(req);
  if (!json && !stream) throw rpcRefusal(406, 'Accept must allow application/json or text/event-stream');
  if (!isJson(req)) throw rpcRefusal(415, 'Content-Type must be application/json');
}
