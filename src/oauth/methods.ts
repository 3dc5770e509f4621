/** Which methods an endpoint answers, RFC 9110 §15.5.6. */

import { type Handler, type Reply, refusal } from '../router/handler.ts';

type Methods = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';

/** 405 with `Allow` for every other method. HEAD goes where GET goes (RFC 9110 §9.3.2). */
export function methods(handlers: Readonly<Partial<Record<Methods, Handler>>>): Handler {
  const named = new Map(Object.entries(handlers));
  const get = handlers.GET;
  if (get && !handlers.HEAD) named.set('HEAD', get);
  const allow = [...named.keys()].join(', ');
  return (exchange) => {
    const handler = named.get(exchange.req.method ?? '');
    if (!handler) throw refusal(405, 'invalid_request', `Use ${allow}`, { headers: { allow } });
    return handler(exchange);
  };
}

export function refusedPath(): Reply {
  return { status: 404, body: { error: 'not_found', error_description: 'There is nothing here' } };
}
