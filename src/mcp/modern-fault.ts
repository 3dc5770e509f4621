/** What is wrong with a message of 2026-07-28 by itself, whatever it came by. */

import { isObject, type Notification, type Params, type Request, rpcCode } from './message.ts';
import { metaKey, metaOf, modernCode, modernVersions } from './modern-revision.ts';

export interface ModernFault {
  readonly code: number;
  readonly text: string;
  readonly data?: Params;
}

/** Requests of former revisions (2026-07-28 changelog); a server that still knew them would change for everybody. */
const removed = new Set(['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe']);

/** TR-26: a request names its version; a notification may leave it out. */
export function unnamedVersion({ kind, params }: Request | Notification): ModernFault | undefined {
  const claimed = metaOf(params)[metaKey.protocolVersion];
  if (typeof claimed === 'string' || (kind === 'notification' && claimed === undefined)) return undefined;
  return { code: rpcCode.invalidParams, text: `_meta lacks ${metaKey.protocolVersion}` };
}

/** TR-25: a child of one revision may answer to any; the gateway serves what it can speak. */
export function unservedVersion({ params }: Request | Notification): ModernFault | undefined {
  const claimed = metaOf(params)[metaKey.protocolVersion];
  if (typeof claimed !== 'string' || modernVersions.includes(claimed)) return undefined;
  const data = { supported: modernVersions, requested: claimed };
  return { code: modernCode.unsupportedVersion, text: 'Unsupported protocol version', data };
}

/** TR-26, TR-30 */
export function unfitRequest({ method, params }: Request): ModernFault | undefined {
  if (!isObject(metaOf(params)[metaKey.clientCapabilities])) {
    return { code: rpcCode.invalidParams, text: `_meta lacks ${metaKey.clientCapabilities}` };
  }
  return removed.has(method) ? { code: rpcCode.methodNotFound, text: `Method not found: ${method}` } : undefined;
}
