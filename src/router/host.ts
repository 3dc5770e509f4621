/** The host a request names: its syntax and its one spelling. RFC 9110 §7.2, RFC 3986 §3.2. */

import { isIPv6 } from 'node:net';

const name = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?$/i;
const withPort = /^(\[[^\]]*\]|[^:]*)(?::(\d{0,5}))?$/;

/** Host and optional port; no userinfo, no percent-encoding. */
export function isAuthority(text: string): boolean {
  const [, host = '', port] = withPort.exec(text) ?? [];
  return isHost(host) && (port === undefined || port === '' || Number(port) <= 65535);
}

export function isHost(text: string): boolean {
  return text.startsWith('[') ? text.endsWith(']') && isIPv6(text.slice(1, -1)) : text.length <= 255 && name.test(text);
}

/** Lower case, without port and without the root's trailing dot. */
export function hostOf(authority: string): string {
  const host = (withPort.exec(authority)?.[1] ?? '').toLowerCase();
  return host.endsWith('.') ? host.slice(0, -1) : host;
}
