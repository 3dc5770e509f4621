/** One request and one response, carried over from a client of the sessions era to a modern server and back. */

import { find, members, splice } from './json-text.ts';
import { isObject, type Params, type Request, type Response, rpcCode } from './message.ts';
import { metaKey, metaOf, modernCode } from './modern-revision.ts';
import { failure } from './modern-server.ts';

/** What a retry brings along, as text: the answers, and the server's state byte for byte (TR-42). */
export interface Retry {
  readonly inputResponses: string;
  readonly requestState: string | undefined;
}

/** Members of a result that no former revision has (2026-07-28 changelog). */
const modernMembers: readonly string[] = ['resultType', 'ttlMs', 'cacheScope'];
const tasks = 'io.modelcontextprotocol/tasks';

/** With what the modern era wants every request to say about itself; every other byte stays. */
export function stamped(request: Request, about: Params, retry?: Retry): Request {
  const { bytes, params } = request;
  const own = Object.fromEntries(Object.entries(about).map(([key, value]) => [key, JSON.stringify(value)]));
  const meta = isObject(params._meta) ? find(bytes, ['params', '_meta']) : undefined;
  const set = {
    _meta: rewritten(bytes, meta?.start, own),
    ...(retry && { inputResponses: retry.inputResponses }),
    ...(retry?.requestState !== undefined && { requestState: retry.requestState }),
  };
  const text = rewritten(bytes, find(bytes, ['params'])?.start, set, ['inputResponses', 'requestState']);
  return {
    ...request,
    params: { ...params, _meta: { ...metaOf(params), ...about } },
    bytes: rewritten(bytes, 0, { params: text }),
  };
}

/** The answer in the words of the sessions era. */
export function unstamped(response: Response, request: Request): Response {
  if (response.error !== undefined) return errorAsLegacy(response, request);
  const { bytes, result } = response;
  const span = find(bytes, ['result']);
  if (!isObject(result) || !span) return failure(request, 'the server answered with no object');
  if (!modernMembers.some((name) => name in result)) return response;
  return { ...response, bytes: splice(bytes, [{ ...span, text: rewritten(bytes, span.start, {}, modernMembers) }]) };
}

/** A capability object without the tasks of either era, which are not each other's. */
export function withoutTasks(capabilities: unknown): Params {
  if (!isObject(capabilities)) return {};
  const { tasks: _legacy, extensions, ...others } = capabilities;
  if (!isObject(extensions)) return others;
  const { [tasks]: _modern, ...rest } = extensions;
  return Object.keys(rest).length > 0 ? { ...others, extensions: rest } : others;
}

/** Codes that the sessions era knows otherwise or not at all; the rest of the error stays as it is. */
function errorAsLegacy(response: Response, request: Request): Response {
  const { bytes, error } = response;
  const span = find(bytes, ['error', 'code']);
  if (!isObject(error) || !span) return response;
  const code = legacyCode(error, request);
  if (code === error.code) return response;
  return { ...response, error: { ...error, code }, bytes: splice(bytes, [{ ...span, text: String(code) }]) };
}

function legacyCode({ code, data }: Params, { method, params }: Request): unknown {
  // 2025-11-25 resources, error handling: not found is -32002. 2026-07-28 says invalid params, with the URI.
  if (code === rpcCode.invalidParams && method === 'resources/read') {
    return isObject(data) && data.uri === params.uri ? -32002 : code;
  }
  // What this client cannot be asked, it cannot have.
  if (code === modernCode.missingCapability) return rpcCode.invalidRequest;
  // Headers and revision were the gateway's own.
  return code === modernCode.headerMismatch || code === modernCode.unsupportedVersion ? rpcCode.internalError : code;
}

/** The text of the object at `at`, or of a new one, with these members set and those dropped. */
export function rewritten(
  text: Buffer,
  at: number | undefined,
  set: Readonly<Record<string, string | Buffer>>,
  drop: readonly string[] = [],
): Buffer {
  const parts: Buffer[] = [];
  const add = (key: string, value: string | Buffer) => {
    parts.push(Buffer.from(`${parts.length > 0 ? ',' : '{'}${JSON.stringify(key)}:`), Buffer.from(value));
  };
  for (const { key, start, end } of at === undefined ? [] : members(text, at)) {
    if (!(key in set) && !drop.includes(key)) add(key, text.subarray(start, end));
  }
  for (const [key, value] of Object.entries(set)) add(key, value);
  if (parts.length === 0) parts.push(Buffer.from('{'));
  return Buffer.concat([...parts, Buffer.from('}')]);
}

/** A notification of a subscription, without the subscription's id. */
export function withoutSubscription(bytes: Buffer): Buffer {
  const meta = find(bytes, ['params', '_meta']);
  if (!meta) return bytes;
  return splice(bytes, [{ ...meta, text: rewritten(bytes, meta.start, {}, [metaKey.subscriptionId]) }]);
}
