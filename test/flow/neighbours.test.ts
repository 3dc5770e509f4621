import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { answering, freePort } from '../support/free-port.ts';
import { startProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const run = promisify(execFile);
const missing = (['nginx', 'caddy', 'curl', 'h2load'] as const).filter(
  (name) => spawnSync(name, ['--version']).error !== undefined,
);
const skip =
  process.env.CI === 'true' || missing.length === 0
    ? false
    : `${missing.join(', ')} missing: apt-get install nginx caddy curl nghttp2-client`;

const body = 'x'.repeat(200_000);

const nginx = (directory: string, port: number) => `
${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; pid ${directory}/pid; error_log stderr; events {}
http { access_log off; client_body_temp_path ${directory}/b; proxy_temp_path ${directory}/p; fastcgi_temp_path ${directory}/f;
  uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s; keepalive_timeout 1;
  server { listen 127.0.0.1:${port}; root ${directory}; gzip on; gzip_types *; } }`;
const caddy = (directory: string, port: number) => `
{
  admin off
  auto_https off
}
http://:${port} {
  bind 127.0.0.1
  root * ${directory}
  file_server
}`;

describe('Debian’s programs on both sides', { skip }, () => {
  for (const behind of ['nginx', 'caddy'] as const)
    test(`${behind} behind; curl by HTTP/1.1 and HTTP/2, and h2load before`, async () => {
      await using directory = await temporaryDirectory();
      const [port, http, https] = [await freePort(), await freePort(), await freePort()];
      const file = join(directory.path, 'conf');
      await writeFile(file, behind === 'nginx' ? nginx(directory.path, port) : caddy(directory.path, port));
      await writeFile(join(directory.path, 'large.txt'), body);
      const words = behind === 'nginx' ? ['-c', file] : ['run', '--config', file, '--adapter', 'caddyfile'];
      const child = spawn(behind, words, { stdio: 'ignore', env: { ...process.env, HOME: directory.path } });
      try {
        await answering(port);
        const stateDir = join(directory.path, 'state');
        const config = {
          publicUrl: `https://localhost:${https}`,
          stateDir,
          entrypoints: { http: { listen: `127.0.0.1:${http}` }, https: { listen: `127.0.0.1:${https}` } },
          tls: { internal: true },
          routers: [{ name: 'files', rule: 'PathPrefix(`/`)', service: 'files', auth: false }],
          services: { files: { servers: [{ url: `http://127.0.0.1:${port}` }] } },
        };
        await using program = await startProgram({ config });
        const url = `https://localhost:${https}/large.txt`;
        const trusted = ['--cacert', join(stateDir, 'internal-authority', 'root.pem')];
        for (const version of ['--http1.1', '--http2']) {
          const words = ['-sS', '--fail', version, ...trusted, '-w', '%{http_version}', url];
          const { stdout } = await run('curl', words);
          assert.ok(
            stdout === `${body}${version === '--http2' ? '2' : '1.1'}`,
            `${stdout.length} bytes, ${stdout.slice(-5)}`,
          );
          const part = await run('curl', ['-sS', version, ...trusted, '-r', '10-19', '-w', '%{http_code}', url]);
          assert.equal(part.stdout, `${'x'.repeat(10)}206`);
          const none = await run('curl', [
            '-sS',
            version,
            ...trusted,
            '-o',
            '/dev/null',
            '-w',
            '%{http_code}',
            `${url}x`,
          ]);
          assert.equal(none.stdout, '404');
          const head = await run('curl', ['-sS', '-I', version, ...trusted, url]);
          assert.match(head.stdout, /content-length: 200000/i);
        }
        const redirected = ['-sS', '-L', ...trusted, '-o', '/dev/null', '-w', '%{http_code} %{num_redirects}'];
        assert.equal((await run('curl', [...redirected, `http://localhost:${http}/large.txt`])).stdout, '200 1');
        const { stdout: load } = await run('h2load', ['-n', '300', '-c', '5', '-m', '10', url]);
        assert.match(load, /300 succeeded, 0 failed, 0 errored/);
        assert.equal(await readFile(join(directory.path, 'large.txt'), 'utf8'), body);
        assert.equal(await program.stop(), 0);
      } finally {
        const ended = once(child, 'close');
        child.kill();
        await ended;
      }
    });
});
