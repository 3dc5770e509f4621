import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, constants } from 'node:http2';
import { test } from 'node:test';
import { silent } from '../../src/log.ts';
import { limitsConfig } from '../../src/router/config.ts';
import { listen } from '../../src/router/entrypoint.ts';
import { streamed } from '../../src/router/handler.ts';
import { certified } from '../support/https-front.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('RFC 9113 §6.4: an answer whose stream the client has reset is gone, as one is whose connection has ended', async () => {
  await using directory = await temporaryDirectory();
  const { certificate, rootFile } = await certified(directory.path, ['localhost']);
  const secure = { options: { cert: certificate.chain, key: certificate.key }, attach: () => {} };
  const limits = { ...limitsConfig.parse({}), drain: 0 };
  const gone = Promise.withResolvers<boolean>();
  const began = Promise.withResolvers<void>();
  await using entry = await listen({ address: '127.0.0.1:0', limits, log: silent, secure }, ({ res }) => {
    res.on('close', () => gone.resolve(res.destroyed));
    began.resolve();
    return streamed;
  });
  const session = connect(`https://localhost:${entry.port}`, { ca: await readFile(rootFile), host: '127.0.0.1' });
  const stream = session.request({ ':path': '/' });
  await began.promise;
  stream.close(constants.NGHTTP2_CANCEL);
  assert.equal(await gone.promise, true);
  session.destroy();
  await once(session, 'close');
});
