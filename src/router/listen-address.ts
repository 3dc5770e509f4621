/** The written form of an address to listen on. */

import type { ListenOptions } from 'node:net';

/** `fd` is a socket that listens already. */
export type ListenTarget = ListenOptions & { readonly fd?: number };

/** `"127.0.0.1:8080"`, `":443"`, `"[::1]:8080"`, `"unix:PATH"`, `"systemd"` or `"systemd:NAME"`. Undefined where it is none of them. */
export function listenOptions(
  address: string,
  env: NodeJS.ProcessEnv = process.env,
): ListenTarget | { readonly fault: string } {
  if (address.startsWith('unix:')) return { path: address.slice(5) };
  const [kind, name] = address.split(':');
  if (kind === 'systemd') return inherited(name, env);
  const [, host = '', port = ''] = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]*):(\d{1,5})$/.exec(address) ?? [];
  if (port === '' || Number(port) > 65535) {
    return {
      fault: `${address} is no address; write "127.0.0.1:8080", ":443", "[::1]:8080", "unix:PATH" or "systemd"`,
    };
  }
  const bare = host.replace(/^\[|\]$/g, '');
  return { port: Number(port), ...(bare !== '' && { host: bare }) };
}

/** sd_listen_fds(3): descriptors from 3 on, meant for the process that LISTEN_PID names. */
function inherited(name: string | undefined, env: NodeJS.ProcessEnv): ListenTarget | { readonly fault: string } {
  const count = env.LISTEN_PID === String(process.pid) ? Number(env.LISTEN_FDS ?? 0) : 0;
  const names = env.LISTEN_FDNAMES?.split(':') ?? [];
  const at = name === undefined ? 0 : names.indexOf(name);
  if (count > 0 && at >= 0 && at < count) return { fd: 3 + at };
  const missing = count === 0 ? 'systemd passed no socket' : `systemd passed no socket called ${name}`;
  return { fault: `${missing}; start the service through its socket unit, or write an address instead of "systemd"` };
}
