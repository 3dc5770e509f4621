/** Probes of this machine: ports, the state directory. Nothing is changed. */

import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import type { GatewayConfig } from '../config.ts';
import { type Finding, fault, ok, reasonOf, warning } from './finding.ts';

export async function portsFree({ entrypoints }: GatewayConfig): Promise<Finding[]> {
  const addresses = Object.entries(entrypoints).map(([name, { listen }]) => ({ name, listen }));
  return Promise.all(addresses.map(({ name, listen }) => portFree(`entrypoints.${name}.listen ${listen}`, listen)));
}

function portFree(what: string, address: string): Promise<Finding> | Finding {
  const [, host, port] = /^(.*):(\d+)$/.exec(address) ?? [];
  if (port === undefined) return ok(what, 'not a port');
  const probe = createServer();
  return new Promise((settle) => {
    probe.once('error', ({ code, message }: NodeJS.ErrnoException) => {
      if (code === 'EADDRINUSE')
        settle(warning(what, 'another program listens there, perhaps this gateway; stop it or choose another port'));
      else if (code === 'EACCES')
        settle(
          fault(what, 'this user may not listen there; grant CAP_NET_BIND_SERVICE, or choose a port from 1024 on'),
        );
      else settle(fault(what, `${message}; choose an address that this machine has (see ip addr)`));
    });
    probe.listen({ port: Number(port), ...(host && { host: host.replace(/^\[|\]$/g, '') }) }, () =>
      probe.close(() => settle(ok(what, 'free'))),
    );
  });
}

/** Not by writing into it: a file that root made there would be in the way of the gateway's own user. */
export function stateDirWritable({ stateDir }: GatewayConfig): Finding[] {
  if (stateDir === undefined) return [];
  const what = `stateDir ${stateDir}`;
  let existing = stateDir;
  while (!existsSync(existing)) existing = dirname(existing);
  if (!statSync(existing).isDirectory()) return [fault(what, `${existing} is no directory; choose another place`)];
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
    const { mode } = statSync(existing);
    if (existing !== stateDir) return [ok(what, 'will be made at the first start')];
    if ((mode & 0o077) !== 0)
      return [warning(what, `others on this machine may look into it; close it with: chmod 700 ${stateDir}`)];
    return [ok(what, 'writable')];
  } catch (error) {
    return [fault(what, `${reasonOf(error).text}; give it to the user who runs the gateway, or choose another`)];
  }
}
