/** Takes an address, or says in one sentence why not and what to do. */

import { unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import type { ListenTarget } from './listen-address.ts';

export async function bind(server: Server, options: ListenTarget, written: string): Promise<void> {
  try {
    await listening(server, options);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EADDRINUSE' && options.path !== undefined && (await isStale(options.path))) {
      unlinkSync(options.path);
      return bind(server, options, written);
    }
    throw new Error(faultOf(code, options, written), { cause: error });
  }
}

function listening(server: Server, options: ListenTarget): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** A socket file that a killed process left behind: nobody answers there. */
function isStale(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => resolve(false));
    probe.once('error', (error) => resolve(codeOf(error) === 'ECONNREFUSED'));
    probe.once('connect', () => probe.destroy());
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function faultOf(code: string, options: ListenTarget, written: string): string {
  const cannot = `cannot listen on ${written}`;
  if (code === 'EADDRINUSE')
    return `${cannot}: another process does; stop it (find it with ss -ltnp), or choose another address`;
  if (code === 'EACCES' && options.path !== undefined) {
    return `${cannot}: no permission to make that socket; choose a directory this user may write to`;
  }
  if (code === 'EACCES') {
    return `${cannot}: ports below 1024 are reserved; grant the right (AmbientCapabilities=CAP_NET_BIND_SERVICE, or setcap), or choose a higher port`;
  }
  if (code === 'EADDRNOTAVAIL')
    return `${cannot}: this machine has no such address; see ip addr, or leave the address out to listen on all`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `${cannot}: the name has no address; write an IP address`;
  if (code === 'ENOENT') return `${cannot}: the directory does not exist; make it first`;
  return `${cannot}: ${code || 'unknown error'}`;
}
