/** Scopes as sets of words, RFC 6749 §3.3. */

/** What a server that asks for no scope of its own is opened by. */
export const defaultScope = 'mcp';

/** RFC 6749 §3.3: words of printable ASCII without quote and backslash, parted by one space. */
export function parseScope(text: string | undefined): string[] {
  if (text === undefined) return [];
  return [...new Set(text.split(' ').filter((word) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(word)))];
}

/**
 * Whether a granted scope opens what a needed one names: `files` opens `files:read`, `files:*` does too, `*` nothing
 * but itself. MCP 2026-07-28, authorization: where scopes form a hierarchy the broader one must be honoured.
 */
export function covers(granted: string, needed: string): boolean {
  if (granted === needed) return true;
  const stem = granted.endsWith(':*') ? granted.slice(0, -2) : granted;
  return stem !== '' && needed.startsWith(`${stem}:`);
}

/** Those of `needed` that nothing granted covers. */
export function missing(granted: Iterable<string>, needed: readonly string[]): string[] {
  const held = [...granted];
  return needed.filter((scope) => !held.some((one) => covers(one, scope)));
}

/**
 * The scope to grant: what was asked for as far as `known` has use for it, unknown words ignored (clients send
 * `openid` or every scope they ever saw). Asked for nothing usable, the client gets all of `known`.
 */
export function grantable(requested: readonly string[], known: readonly string[]): string[] {
  const usable = requested.filter((scope) => known.some((one) => covers(scope, one)));
  return usable.length > 0 ? usable : [...known];
}
