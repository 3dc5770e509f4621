/** Asks the running gateway by its admin socket. */

import { type IncomingMessage, request } from 'node:http';
import { resolve } from 'node:path';
import { adminSocketPath } from '../admin/socket.ts';
import { directoryOf, presentFile, readConfigFile, resolveReferences } from '../config-file.ts';

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
  let answer = '';
  for await (const part of answered(options, method, path, body)) answer += part;
  return JSON.parse(answer);
}

/** The same for what is answered line by line. */
export async function* linesOfGateway(options: GatewayOptions, path: string): AsyncIterable<string> {
  let rest = '';
  for await (const part of answered(options, 'GET', path)) {
    const lines = (rest + part).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

async function* answered(options: GatewayOptions, method: string, path: string, body?: object): AsyncIterable<string> {
  const socketPath = adminSocketPath(stateDirOf(options));
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = { host: 'admin', 'content-length': Buffer.byteLength(text) };
  const { promise, resolve: done, reject } = Promise.withResolvers<IncomingMessage>();
  request({ socketPath, method, path, headers }, done)
    .on('error', (cause: NodeJS.ErrnoException) => reject(new Error(unreached(cause, socketPath), { cause })))
    .end(text);
  const response = await promise;
  let refused = '';
  try {
    for await (const part of response.setEncoding('utf8') as AsyncIterable<string>)
      if (response.statusCode === 200) yield part;
      else refused += part;
  } catch (cause) {
    throw new Error('the gateway ended before it had answered', { cause });
  }
  if (response.statusCode === 200) return;
  const { error_description } = JSON.parse(refused) as { error_description?: string };
  throw new Error(error_description ?? `the gateway answered ${response.statusCode}`);
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
  const file = config ?? presentFile();
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
