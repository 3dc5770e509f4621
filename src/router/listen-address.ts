/** The written form of an address to listen on. */

import { type AddressInfo, isIP, type ListenOptions } from 'node:net';

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

/** The socket that systemd passed under this name, whatever is written elsewhere. */
export function passedSocket(
  name: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): { readonly fd: number } | undefined {
  const count = passed(env);
  const at = name === undefined ? -1 : (env.LISTEN_FDNAMES?.split(':') ?? []).indexOf(name);
  return at >= 0 && at < count ? { fd: 3 + at } : undefined;
}

/** Whether a written address is the one that is listened on. A host name may be any. */
export function isAt(address: string, bound: AddressInfo | string | null): boolean {
  const wanted = listenOptions(address);
  if ('fault' in wanted || bound === null) return false;
  if (wanted.fd !== undefined) return true;
  if (typeof bound === 'string') return wanted.path === bound;
  const { host = '::', port } = wanted;
  const every = isIP(host) !== 0 && /^[0.:]+$/.test(host);
  return (
    port === bound.port && (isIP(host) === 0 || host === bound.address || (every && /^[0.:]+$/.test(bound.address)))
  );
}

/** sd_listen_fds(3): how many descriptors from 3 on are meant for the process that LISTEN_PID names. */
function passed(env: NodeJS.ProcessEnv): number {
  return env.LISTEN_PID === String(process.pid) ? Number(env.LISTEN_FDS ?? 0) : 0;
}

function inherited(name: string | undefined, env: NodeJS.ProcessEnv): ListenTarget | { readonly fault: string } {
  const count = passed(env);
  const socket = name === undefined && count > 0 ? { fd: 3 } : passedSocket(name, env);
  if (socket !== undefined) return socket;
  const missing = count === 0 ? 'systemd passed no socket' : `systemd passed no socket called ${name}`;
  return { fault: `${missing}; start the service through its socket unit, or write an address instead of "systemd"` };
}
