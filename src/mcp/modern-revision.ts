/** The words of revision 2026-07-28, and how a message says that it belongs to it. */

import type { IncomingHttpHeaders } from 'node:http';
import { isObject, type Message, type Params, tooDeep } from './message.ts';

/** The modern revisions spoken here, newest first. */
export const modernVersions: readonly string[] = ['2026-07-28'];

const prefix = 'io.modelcontextprotocol/';

/** 2026-07-28 basic, `_meta`: what each request, notification or result says about itself. */
export const metaKey = {
  protocolVersion: `${prefix}protocolVersion`,
  clientCapabilities: `${prefix}clientCapabilities`,
  clientInfo: `${prefix}clientInfo`,
  logLevel: `${prefix}logLevel`,
  serverInfo: `${prefix}serverInfo`,
  subscriptionId: `${prefix}subscriptionId`,
} as const;

/** 2026-07-28 basic, error codes: those the revision defines itself. */
export const modernCode = {
  headerMismatch: -32020,
  missingCapability: -32021,
  unsupportedVersion: -32022,
} as const;

export interface Discovered {
  readonly versions: readonly string[];
  readonly capabilities: Params;
  readonly serverInfo: Params | undefined;
  readonly instructions: string | undefined;
}

export function metaOf(params: Params): Params {
  return isObject(params._meta) ? params._meta : {};
}

/**
 * TR-50: each request says itself which era it belongs to, in its body. Where the body is silent and the header names
 * a revision without sessions, the sender meant the modern era and forgot what belongs to it; it has to be told so.
 */
export function isModern(messages: readonly Message[], headers: IncomingHttpHeaders): boolean {
  const [only] = messages;
  if (only === undefined || messages.length > 1) return false;
  // The handshake exists in the legacy eras only, whatever a header beside it says.
  const handshake = only.kind === 'request' && only.method === 'initialize';
  if (only.kind !== 'response' && metaOf(only.params)[metaKey.protocolVersion] !== undefined) return true;
  const version = headers['mcp-protocol-version'];
  return !handshake && typeof version === 'string' && modernVersions.includes(version.trim());
}

/** What a result of `server/discover` says; undefined where it is none. */
export function readDiscovery(result: unknown): Discovered | undefined {
  if (!isObject(result) || !Array.isArray(result.supportedVersions) || tooDeep(result)) return undefined;
  const info = metaOf(result)[metaKey.serverInfo];
  return {
    versions: result.supportedVersions.filter((version) => typeof version === 'string'),
    capabilities: isObject(result.capabilities) ? result.capabilities : {},
    serverInfo: isObject(info) ? info : undefined,
    instructions: typeof result.instructions === 'string' ? result.instructions : undefined,
  };
}

/** 2026-07-28 streamable HTTP, "Error Responses": what a JSON-RPC error means as a status. Handlers' own errors are 200. */
export function statusOf(error: unknown): number {
  switch (isObject(error) ? error.code : undefined) {
    // TR-30
    case -32601:
      return 404;
    // TR-25, TR-27, TR-31; -32700 and -32600 are the sender's fault likewise.
    case modernCode.headerMismatch:
    case modernCode.missingCapability:
    case modernCode.unsupportedVersion:
    case -32700:
    case -32600:
      return 400;
    default:
      return 200;
  }
}
