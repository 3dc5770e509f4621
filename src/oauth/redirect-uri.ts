/** Redirect URIs: which may be registered, and which of the registered ones a request names. */

/**
 * Schemes that a browser runs, reads or resolves itself. Everything else without a dot or with one is an app's own
 * (RFC 8252 §7.1 asks for a reverse domain name, yet `cursor://` and `vscode://` are what real clients register).
 */
const forbiddenSchemes = new Set(
  (
    'javascript data file vbscript blob about filesystem view-source ftp ws wss mailto tel sms chrome chrome-extension ' +
    'moz-extension resource jar intent ms-msdt search-ms content'
  )
    .split(' ')
    .map((scheme) => `${scheme}:`),
);

/** RFC 8252 §7.3, §8.3: the loopback addresses, and `localhost` because deployed clients use it. */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** Why this may not be registered, or undefined where it may. */
export function redirectUriFault(uri: string): string | undefined {
  if (uri.length > 2048) return 'is longer than 2048 characters';
  // RFC 3986 §2: a URI is printable ASCII; whitespace, control characters and backslashes are read differently by different parsers.
  if (!/^[\x21-\x7e]+$/.test(uri) || /[\\"<>^`{|}]/.test(uri)) return 'has characters that no URI has';
  if (!URL.canParse(uri)) return 'is not an absolute URI';
  // RFC 6749 §3.1.2: no fragment.
  if (uri.includes('#')) return 'has a fragment';
  const url = new URL(uri);
  if (url.username !== '' || url.password !== '') return 'has a user name or password';
  if (forbiddenSchemes.has(url.protocol)) return 'has a scheme that may not be redirected to';
  if (url.protocol === 'https:' || url.protocol === 'http:') {
    if (!/^https?:\/\/[^/]/i.test(uri)) return 'has no host';
    // RFC 9700 §4.1.3: no patterns; whoever registers one believes it would match.
    if (url.hostname.includes('*')) return 'has a pattern for a host';
    // OAuth 2.1 §1.5: everything but loopback goes over TLS.
    if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) return 'must be https unless its host is loopback';
    if (/(^|\/)(\.|%2e){1,2}(\/|$)/i.test(pathOf(uri))) return 'has dot segments';
    return undefined;
  }
  // RFC 8252 §7.1: a private-use scheme, `scheme:/path` or `scheme://host/path`.
  if (!/^[a-z][a-z0-9+.-]*:\/./i.test(uri)) return 'has a private-use scheme without a path';
  return undefined;
}

function pathOf(uri: string): string {
  return uri.replace(/^[^:]+:\/\/[^/?]*/, '').replace(/\?.*$/, '');
}

/**
 * The redirect URI to answer to, exactly as the request wrote it, or undefined where the client has not registered it.
 * RFC 9700 §2.1: compared character for character, except that the port of a loopback address may be any.
 */
export function matchRedirectUri(requested: string, registered: readonly string[]): string | undefined {
  if (registered.includes(requested)) return requested;
  const loopback = withoutLoopbackPort(requested);
  if (loopback === undefined) return undefined;
  return registered.some((uri) => withoutLoopbackPort(uri) === loopback) ? requested : undefined;
}

/** RFC 8252 §7.3: the client learns its port when it starts, so any port matches. Compared as text, nothing is normalised. */
function withoutLoopbackPort(uri: string): string | undefined {
  const parts = /^http:\/\/(localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?((?:[/?].*)?)$/.exec(uri);
  if (!parts) return undefined;
  const [, host, rest] = parts;
  // A bare origin and its root are one resource (RFC 3986 §6.2.3); VS Code registers the one and uses the other.
  return `${host} ${rest === '' ? '/' : rest}`;
}

/** The host to show to a person, or the scheme of an app's own URI. */
export function redirectHost(uri: string): string {
  const url = new URL(uri);
  return url.protocol === 'https:' || url.protocol === 'http:' ? url.host : url.protocol;
}

/** Whether the answer stays on the person's own machine. */
export function isLoopbackRedirect(uri: string): boolean {
  return withoutLoopbackPort(uri) !== undefined;
}
