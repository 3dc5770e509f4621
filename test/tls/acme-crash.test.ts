import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { silent } from '../../src/log.ts';
import { openStore } from '../../src/store/open-store.ts';
import { startStandIn } from '../support/acme-stand-in.ts';
import { freePort } from '../support/free-port.ts';
import { type Finished, runProgram, startProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const host = 'gw.example.test';

test('a gateway that is killed between order and install is up before the issuer answers, and goes on with that order', async () => {
  await using issuer = await startStandIn();
  await using state = await temporaryDirectory();
  const port = await freePort();
  const config = {
    publicUrl: `https://${host}`,
    stateDir: state.path,
    entrypoints: { http: { listen: '127.0.0.1:0' }, https: { listen: `127.0.0.1:${port}` } },
    tls: { acme: { directory: issuer.directory, caFile: issuer.caFile } },
    mcpServers: {},
  };
  const held = issuer.hold();
  {
    await using program = await startProgram({ config });
    await held.asked;
    await program.stop('SIGKILL');
  }
  await endLeases(state.path);
  {
    // Still nothing comes from the issuer, and the gateway is up.
    await using program = await startProgram({ config });
    const listed = await runProgram(['cert', 'list', '--state-dir', state.path]);
    assert.match(listed.stdout, /gw\.example\.test +- +- +- +- +is being ordered/);
    held.release();
    while ((await serialAt(port)) === undefined) assert.equal(program.process.exitCode, null, program.errors());
  }
  assert.equal(issuer.orders.length, 1);
});

test('a failure and its wait outlive the gateway, and check tells them with the mend', async () => {
  await using issuer = await startStandIn();
  await using state = await temporaryDirectory();
  const config = {
    publicUrl: `https://${host}`,
    stateDir: state.path,
    entrypoints: { http: { listen: '127.0.0.1:0' }, https: { listen: '127.0.0.1:0' } },
    tls: { acme: { directory: issuer.directory, caFile: issuer.caFile } },
    mcpServers: {},
  };
  issuer.refuse(429, 'rateLimited', { 'retry-after': '86400' });
  const nextTries: unknown[] = [];
  for (let run = 0; run < 2; run++) {
    await using program = await startProgram({ config });
    let listed: Finished;
    do listed = await certificates(state.path);
    while (!listed.stdout.includes('nextTry') && program.process.exitCode === null);
    nextTries.push(JSON.parse(listed.stdout)[0].nextTry);
    if (run === 0) continue;
    const file = join(state.path, 'gateway.config.json');
    await writeFile(file, JSON.stringify(config));
    const checked = await runProgram(['check', '--offline', '-c', file]);
    assert.equal(checked.code, 1);
    const words =
      /because of rateLimited; the issuer wants fewer orders; the gateway waits as long as it was told; next/;
    assert.match(checked.stdout, /^certificate of gw\.example\.test +fault +because of rateLimited/m);
    assert.match(checked.stdout, words);
  }
  assert.ok(nextTries[0] !== undefined);
  assert.equal(nextTries[1], nextTries[0]);
  assert.equal(issuer.orders.length, 0);
});

const certificates = (stateDir: string) => runProgram(['cert', 'list', '--state-dir', stateDir, '--json']);

/** As half a minute would. */
async function endLeases(stateDir: string): Promise<void> {
  await using store = await openStore(`file:${join(stateDir, 'store.db')}`, {
    log: silent,
    storeKey: undefined,
    stateDir,
  });
  for await (const key of store.keys('certificate-lease:')) await store.delete(key);
}

async function serialAt(port: number): Promise<string | undefined> {
  const socket = connect({ host: '127.0.0.1', port, servername: host, rejectUnauthorized: false });
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate().serialNumber;
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
