/** What a header's name means to a proxy. RFC 9110 §7.6.1 and what proxies and applications have agreed on since. */

/**
 * - `hop`: for this connection only; never forwarded.
 * - `managed`: says where a request came from; believed from trusted proxies, else removed and set anew.
 * - `identity`: says who somebody is; never believed from outside, only set by us.
 * - `alias`: `X_User_Id` and `X.User.Id` are read as `X-User-Id` by CGI-like servers, so such names never pass.
 * - `framing`: Host, Content-Length and Expect, which the proxy settles itself.
 * - `plain`: everything else.
 */
export type HeaderClass = 'hop' | 'managed' | 'identity' | 'alias' | 'framing' | 'plain';

const hop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

const framing = new Set(['host', 'content-length', 'expect']);

const managed = new Set([
  'forwarded',
  'x-real-ip',
  'x-scheme',
  'x-original-url',
  'x-original-uri',
  'x-original-host',
  'x-original-method',
  'x-rewrite-url',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
]);

const identity =
  /^(?:x-(?:user|auth|client|remote|webauth|authenticated)-|remote-|x-forwarded-(?:user|email|groups|preferred-username|access-token)$|x-(?:user|scope)$)/;

/** Names repeat from request to request; the cap keeps clients from filling the memory. */
const known = new Map<string, HeaderClass>();
const mostKnown = 2048;

export function headerClass(name: string): HeaderClass {
  const remembered = known.get(name);
  if (remembered !== undefined) return remembered;
  const found = classify(name.toLowerCase());
  if (known.size < mostKnown) known.set(name, found);
  return found;
}

function classify(name: string): HeaderClass {
  if (hop.has(name)) return 'hop';
  if (framing.has(name)) return 'framing';
  if (name.includes('_') || name.includes('.')) return 'alias';
  if (identity.test(name)) return 'identity';
  if (managed.has(name) || name.startsWith('x-forwarded-')) return 'managed';
  return 'plain';
}

/**
 * RFC 9110 §7.6.1: names that a Connection header lists are for this connection only, too. Undefined where it lists none.
 * What proxies and services decide by is never removed on a client's word.
 */
export function connectionListed(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined;
  const names = connection
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && !isProtected(name));
  return names.length > 0 ? new Set(names) : undefined;
}

function isProtected(name: string): boolean {
  const found = headerClass(name);
  return (
    found === 'managed' ||
    found === 'identity' ||
    found === 'framing' ||
    name === 'authorization' ||
    name === 'cookie' ||
    name.startsWith('content-') ||
    name.startsWith('mcp-')
  );
}
