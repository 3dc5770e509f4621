/** What the gateway says in headers to an HTTP server, as its client. */

import { type Caller, callerHeaders } from '../router/handler.ts';
import type { Notification, Request } from './message.ts';
import { customHeaders, type Mirrored, standardHeaders } from './mirrored-headers.ts';

/** TR-03: both have to be accepted with every POST. */
export const accept = 'application/json, text/event-stream';

/** Who is calling, without the client: a person may come with several, and have one connection. */
export function personHeaders(caller: Caller | undefined): Record<string, string> {
  const facts = Object.entries(caller ? callerHeaders(caller) : {});
  return Object.fromEntries(facts.filter(([name]) => name !== 'x-client-id'));
}

/** 2026-07-28 streamable HTTP: the headers that repeat the body. */
export function modernHeaders(
  message: Request | Notification,
  version: string,
  mirrored: readonly Mirrored[],
): Record<string, string> {
  return {
    accept,
    'mcp-protocol-version': version,
    ...standardHeaders(message),
    ...customHeaders(mirrored, message.params.arguments),
  };
}
