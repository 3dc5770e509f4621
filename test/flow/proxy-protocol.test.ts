import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { request as http } from 'node:http';
import { request as https } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { silent } from '../../src/log.ts';
import { limitsConfig } from '../../src/router/config.ts';
import { listen } from '../../src/router/entrypoint.ts';
import { answering, freePort } from '../support/free-port.ts';
import { certified } from '../support/https-front.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const skip =
  process.env.CI === 'true' || spawnSync('haproxy', ['-v']).error === undefined
    ? false
    : 'haproxy missing: apt-get install haproxy';

/** A client of this machine that is not the proxy. */
const localAddress = '127.0.0.7';

test('HAProxy tells the client by both versions of the PROXY protocol, before HTTP and before TLS', {
  skip,
}, async () => {
  await using directory = await temporaryDirectory();
  const { certificate, rootFile } = await certified(directory.path, ['localhost']);
  const limits = { ...limitsConfig.parse({}), drain: 0 };
  const options = { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'], proxyProtocol: true, limits, log: silent };
  const handler = ({ clientAddress }: { clientAddress: string }) => ({ status: 200, body: clientAddress });
  const secure = { options: { cert: certificate.chain, key: certificate.key }, attach: () => {} };
  await using plain = await listen(options, handler);
  await using encrypted = await listen({ ...options, secure }, handler);

  const rows: { port: number; to: number; word: string; isSecure: boolean }[] = [];
  for (const word of ['send-proxy', 'send-proxy-v2', 'send-proxy-v2-ssl'])
    for (const isSecure of [false, true])
      rows.push({ port: await freePort(), to: (isSecure ? encrypted : plain).port, word, isSecure });
  const proxies = rows.map(
    ({ port, to, word }) => `listen p${port}
  bind 127.0.0.1:${port}
  server s 127.0.0.1:${to} ${word} check`,
  );
  const file = join(directory.path, 'haproxy.cfg');
  await writeFile(
    file,
    `defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\n${proxies.join('\n')}\n`,
  );
  const child = spawn('haproxy', ['-f', file, '-db'], { stdio: 'ignore' });
  try {
    const ca = await readFile(rootFile, 'utf8');
    for (const { port, word, isSecure } of rows) {
      await answering(port);
      const request = isSecure
        ? https({ host: '127.0.0.1', servername: 'localhost', port, ca, localAddress, agent: false })
        : http({ host: '127.0.0.1', port, localAddress, agent: false });
      const [answer] = await once(request.end(), 'response');
      assert.equal(Buffer.concat(await answer.toArray()).toString(), localAddress, `${word} ${isSecure}`);
    }
  } finally {
    const ended = once(child, 'close');
    child.kill();
    await ended;
  }
});
