import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hashPassword } from '../../src/oauth/password.ts';
import { freePort } from '../support/free-port.ts';
import { rawExchange } from '../support/raw-http.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const cli = join(import.meta.dirname, '../../src/cli.ts');
const activate = 'systemd-socket-activate';
const skip =
  process.env.CI === 'true' || spawnSync(activate, ['--version']).error === undefined
    ? false
    : `${activate} missing: apt-get install systemd`;

const get = 'GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n';

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('sd_listen_fds(3): sockets are found by name, and over a restart no connection is refused', { skip }, async () => {
  await using directory = await temporaryDirectory();
  const config = join(directory.path, 'gateway.config.json');
  const users = { alice: { hash: await hashPassword('alice', { ln: 4, r: 8, p: 1 }) } };
  const [http, https] = [await freePort(), await freePort()];
  writeFileSync(
    config,
    JSON.stringify({
      publicUrl: `https://localhost:${https}`,
      stateDir: join(directory.path, 'state'),
      entrypoints: { http: { listen: 'systemd:http' }, https: { listen: 'systemd:https' } },
      tls: { internal: true },
      auth: { login: { password: { users } } },
      log: { access: false },
    }),
  );
  // Two lives of the program on the same sockets, which the shell holds in between as systemd does.
  const life = `echo process $$; LISTEN_PID=$$ exec '${process.execPath}' '${cli}' serve -c '${config}'`;
  const words = ['-l', `127.0.0.1:${https}`, '-l', `127.0.0.1:${http}`, '--fdname=https:http', '-E', 'LIFE'];
  const child = spawn(activate, [...words, 'sh', '-c', 'sh -c "$LIFE"; sleep 0.2; sh -c "$LIFE"'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LIFE: life },
  });
  let output = '';
  const until = async (pattern: RegExp) => {
    while (!pattern.test(output)) await once(child, 'said');
    return pattern.exec(output)?.[1] ?? '';
  };
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => {
      output += text.toString();
      child.emit('said');
    });
  await until(/Listening on .* as 4/);
  const first = await rawExchange(http, get);
  assert.match(first, /^HTTP\/1\.1 200 /, output);
  assert.doesNotMatch(await rawExchange(https, get), /^HTTP\/1\.1 200 /, 'the other one speaks TLS');
  const former = Number(await until(/process (\d+)/));
  process.kill(former, 'SIGTERM');
  while (isThere(former)) await new Promise((resolve) => setTimeout(resolve, 5));
  const waited = await Promise.all(Array.from({ length: 20 }, () => rawExchange(http, get)));
  for (const answer of waited) assert.match(answer, /^HTTP\/1\.1 200 /);
  const ended = once(child, 'close');
  process.kill(Number(await until(/process \d+[\s\S]*process (\d+)/)), 'SIGTERM');
  assert.equal((await ended)[0], 0);
});
