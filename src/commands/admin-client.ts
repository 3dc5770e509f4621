/** Asks the running gateway by its admin socket. */

import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { resolve } from 'node:path';
import { adminSocketPath } from '../admin/socket.ts';
import { defaultFile } from '../config.ts';
import { directoryOf, readConfigFile, resolveReferences } from '../config-file.ts';

export interface GatewayOptions {
  readonly config?: string;
  readonly stateDir?: string;
}

/** Rejects with one sentence: what the gateway refused, or why nobody was reached. */
export async function askGateway(
  options: GatewayOptions,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: object,
): Promise<unknown> {
  const stateDir = stateDirOf(options);
  const socketPath = adminSocketPath(stateDir);
  const text = body === undefined ? '' : JSON.stringify(body);
  const { status, answer } = await new Promise<{ status: number; answer: string }>((done, reject) => {
    const headers = { host: 'admin', 'content-length': Buffer.byteLength(text) };
    const asked = request({ socketPath, method, path, headers }, async (response) => {
      try {
        const chunks: Buffer[] = [];
        for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
        done({ status: response.statusCode ?? 0, answer: Buffer.concat(chunks).toString('utf8') });
      } catch (cause) {
        reject(new Error('the gateway ended before it had answered', { cause }));
      }
    });
    asked.on('error', (cause: NodeJS.ErrnoException) => reject(new Error(unreached(cause, socketPath), { cause })));
    asked.end(text);
  });
  const value = JSON.parse(answer) as { error_description?: string };
  if (status !== 200) throw new Error(value.error_description ?? `the gateway answered ${status}`);
  return value;
}

function unreached({ code, message }: NodeJS.ErrnoException, socketPath: string): string {
  if (code === 'EACCES' || code === 'EPERM')
    return `${socketPath} opens only for the user who runs the gateway; run this as that user, or with sudo`;
  if (code === 'ENOENT' || code === 'ECONNREFUSED')
    return `no gateway runs here: nobody answers at ${socketPath}; start it with "mcp-gateway serve", or name its configuration with -c`;
  return `${socketPath}: ${message}`;
}

/** Only this one key is read: the secrets that the rest of the file refers to may be nobody's but the gateway's. */
function stateDirOf({ config, stateDir }: GatewayOptions): string {
  if (stateDir !== undefined) return resolve(stateDir);
  const file = config ?? (existsSync(defaultFile) ? defaultFile : undefined);
  const written = file === undefined ? undefined : readConfigFile(file).stateDir;
  const found = resolveReferences(written, { directory: directoryOf(file), env: process.env }, []);
  const dir = typeof found === 'string' && found !== '' ? found : process.env.STATE_DIRECTORY?.split(':')[0];
  if (dir !== undefined && dir !== '') return resolve(dir);
  if (file === undefined)
    throw new Error('which gateway? Name its configuration with -c, or its state directory with --state-dir');
  throw new Error(
    `${file} names no stateDir, and without one a gateway has no admin socket; set stateDir and restart it`,
  );
}
