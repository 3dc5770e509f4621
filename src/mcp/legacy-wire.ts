/** One request and one response, carried over from the modern era to a server of the sessions era and back. */

import { type Edit, elements, find, members, type Span, splice } from './json-text.ts';
import { isObject, numberOf, type Params, type Request, type Response, rpcCode } from './message.ts';
import { metaKey, metaOf, modernCode } from './modern-revision.ts';
import { failure, rawId } from './modern-server.ts';

const reserved = 'io.modelcontextprotocol/';
/** What only the modern era means by these, the server must not take for something else. */
const own: readonly string[] = ['_meta', 'inputResponses', 'requestState', 'task'];
/** 2026-07-28 caching: results that say how long they may be kept. */
const cacheable: readonly string[] = [
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
];

/** The request under an id and progress token of the gateway's own, without what the era adds to it. */
export function asLegacy({ bytes, method }: Request, id: number): Buffer {
  const params = find(bytes, ['params']);
  const meta = find(bytes, ['params', '_meta']);
  const kept = params ? members(bytes, params.start).filter(({ key }) => !own.includes(key)) : [];
  const about = meta ? members(bytes, meta.start).filter(({ key }) => !key.startsWith(reserved)) : [];
  const text = (span: Span, key: string) => [
    Buffer.from(`${JSON.stringify(key)}:`),
    bytes.subarray(span.start, span.end),
  ];
  const parts = kept.map((member) => Buffer.concat(text(member, member.key)));
  if (about.length > 0) {
    const inner = about.map((member) =>
      member.key === 'progressToken' ? Buffer.from(`"progressToken":${id}`) : Buffer.concat(text(member, member.key)),
    );
    parts.push(Buffer.concat([Buffer.from('"_meta":{'), ...joined(inner), Buffer.from('}')]));
  }
  const head = `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":{`;
  return Buffer.concat([Buffer.from(head), ...joined(parts), Buffer.from('}}')]);
}

/**
 * The answer as the modern era wants it: `resultType`, caching hints and the server's name added, error codes of former
 * revisions replaced; every other byte stays. `serverInfo` is JSON, `capabilities` are those of the client.
 */
export function asModern(
  response: Response,
  request: Request,
  serverInfo: string,
  capabilities: Params,
): { readonly response: Response; readonly status?: number } {
  if (response.error !== undefined) return errorAsModern(response, request, serverInfo, capabilities);
  const { bytes, result } = response;
  const span = find(bytes, ['result']);
  if (!isObject(result) || !span) return { response: failure(request, 'the server answered with no object') };
  const wanted: [string, string][] = [['resultType', '"complete"']];
  if (cacheable.includes(request.method)) {
    const { ttlMs, cacheScope } = result;
    if (typeof ttlMs !== 'number' || ttlMs < 0) wanted.push(['ttlMs', '0']);
    if (cacheScope !== 'public' && cacheScope !== 'private') wanted.push(['cacheScope', '"private"']);
  }
  const edits = idEdits(response, request);
  const meta = find(bytes, ['result', '_meta']);
  if (isObject(result._meta) && meta) edits.push(...put(bytes, meta, [[metaKey.serverInfo, serverInfo]]));
  else wanted.push(['_meta', `{"${metaKey.serverInfo}":${serverInfo}}`]);
  edits.push(...put(bytes, span, wanted));
  return { response: { ...response, id: request.id, bytes: splice(bytes, edits) } };
}

/** Questions, as JSON by their keys. Without a state a retry begins anew. */
export function inputRequired(
  request: Request,
  questions: ReadonlyMap<string, string>,
  serverInfo: string,
  requestState?: string,
): Response {
  const inputRequests = [...questions].map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(',');
  const state = requestState === undefined ? '' : `,"requestState":${JSON.stringify(requestState)}`;
  const result = `{"resultType":"input_required","inputRequests":{${inputRequests}}${state},"_meta":{"${metaKey.serverInfo}":${serverInfo}}}`;
  const bytes = Buffer.from(`{"jsonrpc":"2.0","id":${rawId(request)},"result":${result}}`);
  return {
    kind: 'response',
    id: request.id,
    result: { resultType: 'input_required', ...(state && { requestState }) },
    bytes,
  };
}

function errorAsModern(
  response: Response,
  request: Request,
  serverInfo: string,
  capabilities: Params,
): { readonly response: Response; readonly status?: number } {
  const error = isObject(response.error) ? response.error : {};
  const code = numberOf(error.code);
  if (code === -32042) return urlsRequired(response, request, serverInfo, capabilities);
  const span = find(response.bytes, ['error', 'code']);
  // TR-41: -32002 must not be sent any more, and of the range kept for the protocol an old server knows nothing.
  const translated =
    code === -32002 ? rpcCode.invalidParams : code <= -32020 && code >= -32099 ? rpcCode.internalError : code;
  const edits = idEdits(response, request);
  if (span && translated !== code) edits.push({ ...span, text: String(translated) });
  const bytes = splice(response.bytes, edits);
  const status = translated === rpcCode.methodNotFound ? 404 : 200;
  return { response: { ...response, id: request.id, error: { ...error, code: translated }, bytes }, status };
}

/** 2025-11-25 elicitation, URL required: the call fails until the user has been there; here that is a round of its own. */
function urlsRequired(
  { bytes }: Response,
  request: Request,
  serverInfo: string,
  { elicitation }: Params,
): { readonly response: Response } {
  const span = find(bytes, ['error', 'data', 'elicitations']);
  const wanted = span ? elements(bytes, span.start) : [];
  if (wanted.length === 0) return { response: failure(request, 'the server wants a URL opened and names none') };
  if (!isObject(elicitation) || elicitation.url === undefined) {
    const data = { requiredCapabilities: { elicitation: { url: {} } } };
    return { response: failure(request, 'the user has to open a URL', modernCode.missingCapability, data) };
  }
  const questions = wanted.map(({ start, end }, i): [string, string] => [
    `url-${i + 1}`,
    `{"method":"elicitation/create","params":${bytes.toString('utf8', start, end)}}`,
  ]);
  return { response: inputRequired(request, new Map(questions), serverInfo) };
}

function idEdits({ bytes }: Response, request: Request): Edit[] {
  const span = find(bytes, ['id']);
  return span ? [{ ...span, text: rawId(request) }] : [];
}

/** Edits that give the object these members, in place of what it has by those names. */
export function put(bytes: Buffer, object: Span, wanted: readonly (readonly [string, string])[]): Edit[] {
  const there = members(bytes, object.start);
  const edits: Edit[] = [];
  const fresh: string[] = [];
  for (const [key, text] of wanted) {
    const member = there.findLast((one) => one.key === key);
    if (member) edits.push({ start: member.start, end: member.end, text });
    else fresh.push(`${JSON.stringify(key)}:${text}`);
  }
  if (fresh.length === 0) return edits;
  const at = bytes.indexOf('{', object.start) + 1;
  return [...edits, { start: at, end: at, text: fresh.join(',') + (there.length > 0 ? ',' : '') }];
}

function joined(parts: readonly Buffer[]): Buffer[] {
  return parts.flatMap((part, i) => (i === 0 ? [part] : [Buffer.from(','), part]));
}

/** Which of a legacy server's capabilities a modern client can use (its tasks are others). */
export function discoverable({ capabilities }: Params): Params {
  const { tasks: _, ...rest } = isObject(capabilities) ? capabilities : {};
  return rest;
}

export const logLevelOf = (params: Params): string | undefined => {
  const level = metaOf(params)[metaKey.logLevel];
  return typeof level === 'string' ? level : undefined;
};
