/** What a client of 2026-07-28 has to send, so that tests can leave out or bend each part of it. */

import { fileURLToPath } from 'node:url';
import { metaKey } from '../../src/mcp/modern-revision.ts';
import { allFrames, both, type RpcMessage } from './mcp-client.ts';

/** The modern server by hand. */
export const modernScript = fileURLToPath(new URL('children/modern.mjs', import.meta.url));

export interface Sent {
  readonly id?: unknown;
  readonly method: string;
  readonly params?: Record<string, unknown>;
  /** Instead of, or beside, what _meta has to hold; undefined leaves a key out. */
  readonly meta?: Record<string, unknown>;
  /** The same for headers. */
  readonly headers?: Record<string, string | undefined>;
  readonly capabilities?: object;
  readonly signal?: AbortSignal;
}

export interface ModernClient {
  post(sent: Sent): Promise<Response>;
  /** The last message of the answer, be it JSON or a stream. */
  request(sent: Sent): Promise<RpcMessage & { readonly status: number }>;
  call(name: string, args?: object, more?: Partial<Sent>): Promise<RpcMessage & { readonly status: number }>;
}

const version = '2026-07-28';
const dropUndefined = <T>(record: Record<string, T | undefined>) =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Record<string, T>;

let counter = 0;

export function modernClient(url: string, own: Record<string, string> = {}): ModernClient {
  const client: ModernClient = {
    post({ id = ++counter, method, params = {}, meta = {}, headers = {}, capabilities = {}, signal }) {
      const named = params.name ?? params.uri ?? params.taskId;
      const _meta = dropUndefined({
        [metaKey.protocolVersion]: version,
        [metaKey.clientCapabilities]: capabilities,
        [metaKey.clientInfo]: { name: 'test', version: '1' },
        ...meta,
      });
      return fetch(url, {
        method: 'POST',
        headers: dropUndefined({
          'content-type': 'application/json',
          accept: both,
          'mcp-protocol-version': version,
          'mcp-method': method,
          ...(typeof named === 'string' && { 'mcp-name': named }),
          ...own,
          ...headers,
        }),
        body: JSON.stringify({ jsonrpc: '2.0', ...(id !== null && { id }), method, params: { ...params, _meta } }),
        ...(signal && { signal }),
      });
    },
    async request(sent) {
      const response = await client.post(sent);
      const json = response.headers.get('content-type') === 'application/json';
      const last = json ? ((await response.json()) as RpcMessage) : (await allFrames(response)).at(-1)?.message;
      return { status: response.status, ...last };
    },
    call: (name, args = {}, more = {}) =>
      client.request({ method: 'tools/call', params: { name, arguments: args }, ...more }),
  };
  return client;
}
