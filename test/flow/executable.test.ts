/** The single executable, with nothing beside it, and its Debian package: built here, then led through the main flows. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { before, test } from 'node:test';
import { bootedMachine, withoutSystemd } from '../support/booted.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const root = join(import.meta.dirname, '../..');
const executable = join(root, 'dist/mcp-gateway');
const children = join(root, 'test/support/children');

async function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  assert.equal(code, 0, `${command} ${args.join(' ')}: ${err}${out}`);
  return out;
}

const build = () => run(join(root, 'scripts/build-sea.sh'), ['--deb', '--no-measure']);
const packages = () => globSync('dist/mcp-gateway_*.deb', { cwd: root }).map((name) => join(root, name));

before(build);

test('the same sources give the same bytes, also as a package', async () => {
  const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
  const first = [executable, ...packages()].map(digest);
  assert.equal(first.length, 2);
  const built = await build();
  for (const each of first) assert.match(built, new RegExp(each));
});

test('all flows pass with no file but the executable, its libraries and the server, no network but loopback, no environment', async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  copyFileSync(executable, join(path, 'mcp-gateway'));
  const libraries = await Promise.all([executable, process.execPath].map((file) => run('ldd', [file])));
  for (const [library] of libraries.join('').matchAll(/\/\S+(?= \(0x)/g)) {
    mkdirSync(dirname(join(path, library)), { recursive: true });
    copyFileSync(library, join(path, library));
  }
  // check tries servers and clients on sockets of its own.
  mkdirSync(join(path, 'tmp'));
  const inside = ['/usr/sbin/chroot', path, '/mcp-gateway'];
  const flows = [process.execPath, join(children, 'executable-flows.ts'), path, '/', ...inside];
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  await run('unshare', ['--net', ...asRoot, 'sh', '-ec', 'ip link set lo up; exec "$@"', 'sh', ...flows]);
});

test('installed from its package, the service keeps what systemd is promised, and goes without a trace', {
  skip: withoutSystemd,
}, async (t) => {
  await using machine = await bootedMachine();
  const { run: on } = machine;
  const before = await machine.added();
  const [file = ''] = packages();
  copyFileSync(file, join(machine.root, 'mcp-gateway.deb'));
  await on('dpkg', '--no-triggers', '--install', '/mcp-gateway.deb');
  const inside = '/etc/mcp-gateway/gateway.config.json';
  const config = join(machine.root, inside);
  const show = async (property: string) =>
    (await on('systemctl', 'show', '--value', '--property', property, 'mcp-gateway.service')).trim();
  const ask = (...words: string[]) => on('curl', '--silent', '--show-error', ...words);
  const at = 'http://127.0.0.1:9090';

  await t.test('the package as it comes answers on loopback alone and lets nobody in', async () => {
    await on('systemctl', 'start', 'mcp-gateway');
    assert.match(await ask('http://127.0.0.1:8080/readyz'), /ok/);
    assert.equal(await on('stat', '--format', '%A %U %G', inside), '-rw-r----- root mcp-gateway\n');
    assert.match(await on('mcp-gateway', 'status'), /127\.0\.0\.1:8080/);
    await on('systemctl', 'stop', 'mcp-gateway.service', 'mcp-gateway-http.socket');
  });

  await t.test(
    'init and service install start a service that systemd finds secure, and npx finds its way',
    async () => {
      await using server = await temporaryDirectory();
      mkdirSync(join(server.path, 'package'));
      const manifest = { name: 'server', version: '1.0.0', bin: 'server.mjs' };
      writeFileSync(join(server.path, 'package/package.json'), JSON.stringify(manifest));
      copyFileSync(join(children, 'misbehaviour.mjs'), join(server.path, 'package/misbehaviour.mjs'));
      const code = readFileSync(join(children, 'server.mjs'), 'utf8');
      writeFileSync(join(server.path, 'package/server.mjs'), `#!/usr/bin/env node\n${code}`);
      await run('tar', ['-czf', join(machine.root, 'srv/server.tgz'), '-C', server.path, 'package']);
      const npx = ['--name', 'one', '--', 'npx', '-y', 'file:/srv/server.tgz'];
      const command = ['mcp-gateway', 'init', '-c', inside, '--force', '--public-url', at, ...npx];
      await on('sh', '-c', 'echo correct horse | "$@"', 'sh', ...command);
      await on('mcp-gateway', 'service', 'install');
      assert.equal(await show('StatusText'), `one MCP server at ${at}`);
      await on('systemd-analyze', 'verify', 'mcp-gateway.service', 'mcp-gateway-http.socket');
      await on('systemd-analyze', 'security', '--threshold=20', 'mcp-gateway.service');
      const token = (await on('mcp-gateway', 'token', 'issue', '--user', 'admin', '--server', 'one')).trim();
      const headers = ['accept: application/json, text/event-stream', `authorization: Bearer ${token}`];
      const written = ['--json', JSON.stringify(initialize), ...headers.flatMap((each) => ['--header', each])];
      assert.match(await ask(...written, `${at}/one/mcp`), /"serverInfo"/);
    },
  );

  await t.test('reload tells systemd, and fails with the faults of the configuration', async () => {
    const good = readFileSync(config, 'utf8');
    writeFileSync(config, JSON.stringify({ ...JSON.parse(good), mcpServers: {} }));
    await on('systemctl', 'reload', 'mcp-gateway');
    assert.equal(await show('StatusText'), `0 MCP servers at ${at}`);
    writeFileSync(config, JSON.stringify({ ...JSON.parse(good), mcpServer: {} }));
    await assert.rejects(on('systemctl', 'reload', 'mcp-gateway'), /failed/);
    assert.match(
      await on('journalctl', '--unit', 'mcp-gateway'),
      /mcpServer: is no known key; did you mean "mcpServers"/,
    );
    assert.equal(await show('ActiveState'), 'active');
    writeFileSync(config, good);
  });

  await t.test(
    'a restart refuses no connection, nor does a gateway that hangs until the watchdog ends it',
    async () => {
      const quick = join(machine.root, 'etc/systemd/system/mcp-gateway.service.d');
      mkdirSync(quick);
      writeFileSync(join(quick, 'watchdog.conf'), '[Service]\nWatchdogSec=1\n');
      await on('systemctl', 'daemon-reload');
      let restarted = false;
      const restart = on('systemctl', 'restart', 'mcp-gateway').finally(() => {
        restarted = true;
      });
      while (!restarted) assert.match(await ask(`${at}/livez`), /ok/);
      await restart;
      const [pid, told] = [await show('MainPID'), await show('WatchdogTimestampMonotonic')];
      while ((await show('WatchdogTimestampMonotonic')) === told) await ask(`${at}/livez`);
      await on('kill', '-STOP', pid);
      // The connection waits in the socket that systemd holds, and the next gateway answers it.
      assert.match(await ask(`${at}/livez`), /ok/);
      assert.notEqual(await show('MainPID'), pid);
      assert.equal(await show('NRestarts'), '1');
    },
  );

  await t.test('purged, it leaves nothing', async () => {
    rmSync(join(machine.root, 'etc/systemd/system/mcp-gateway.service.d'), { recursive: true });
    await on('dpkg', '--no-triggers', '--purge', 'mcp-gateway');
    rmSync(join(machine.root, 'srv/server.tgz'));
    rmSync(join(machine.root, 'mcp-gateway.deb'));
    assert.deepEqual(await machine.added(), before);
    assert.doesNotMatch(readFileSync(join(machine.root, 'etc/passwd'), 'utf8'), /mcp-gateway/);
    assert.doesNotMatch(await on('systemctl', 'list-units', '--all', '--plain'), /mcp-gateway/);
  });
});

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};
