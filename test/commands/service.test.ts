import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { serviceUnits } from '../../src/commands/service-units.ts';
import { isAt, passedSocket } from '../../src/router/listen-address.ts';
import { runProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a socket unit is made for each address that systemd can listen on by itself', () => {
  const rows: [string, string | undefined][] = [
    ['127.0.0.1:8080', '127.0.0.1:8080'],
    [':443', '443'],
    ['[::1]:8080', '[::1]:8080'],
    ['unix:/run/gateway.sock', '/run/gateway.sock'],
    ['unix:gateway.sock', undefined],
    ['localhost:8080', undefined],
    ['127.0.0.1:0', undefined],
    ['systemd', undefined],
  ];
  for (const [address, stream] of rows) {
    const units = serviceUnits({ program: ['/usr/bin/mcp-gateway'], config: '/etc/x', listen: { http: address } });
    const socket = units['mcp-gateway-http.socket'];
    assert.equal(/^ListenStream=(.*)$/m.exec(socket ?? '')?.[1], stream, address);
    assert.equal(units['mcp-gateway.service']?.includes('\nSockets=mcp-gateway-http.socket\n'), stream !== undefined);
  }
});

test('words of the program keep their characters in the unit', () => {
  const program = ['/opt/100% mine/mcp-gateway', '/srv/$HOME/"a"'];
  const unit = serviceUnits({ program, config: '/etc/x', listen: {} })['mcp-gateway.service'] ?? '';
  assert.match(unit, /^ExecStart="\/opt\/100%% mine\/mcp-gateway" "\/srv\/\$\$HOME\/\\"a\\"" serve -c \/etc\/x$/m);
});

test('a socket that systemd passed is found by its name, and has to be the one of the configuration', () => {
  const env = { LISTEN_PID: String(process.pid), LISTEN_FDS: '2', LISTEN_FDNAMES: 'http:https' };
  assert.deepEqual(passedSocket('https', env), { fd: 4 });
  assert.equal(passedSocket('metrics', env), undefined);
  assert.equal(passedSocket(undefined, env), undefined);
  assert.equal(passedSocket('https', { ...env, LISTEN_FDS: '1' }), undefined);
  assert.equal(passedSocket('https', { ...env, LISTEN_PID: '1' }), undefined);
  const inet = (address: string, port: number) => ({ address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' });
  const rows: [string, Parameters<typeof isAt>[1], boolean][] = [
    ['127.0.0.1:8080', inet('127.0.0.1', 8080), true],
    ['127.0.0.1:8080', inet('127.0.0.1', 8081), false],
    ['127.0.0.1:8080', inet('::', 8080), false],
    [':443', inet('::', 443), true],
    [':443', inet('0.0.0.0', 443), true],
    [':443', inet('127.0.0.1', 443), false],
    ['0.0.0.0:80', inet('0.0.0.0', 80), true],
    ['localhost:80', inet('::1', 80), true],
    ['unix:/run/a', '/run/a', true],
    ['unix:/run/a', '/run/b', false],
  ];
  for (const [address, bound, same] of rows) assert.equal(isAt(address, bound), same, address);
});

test('what would keep a service from starting is said before anything is changed', async () => {
  await using directory = await temporaryDirectory();
  const config = join(directory.path, 'gateway.config.json');
  const login = { password: { users: {} } };
  const rows: [object, RegExp][] = [
    [{ mcpServers: {} }, /auth\.login: without it each start would make a new password/],
    [{ stateDir: '/srv/state', auth: { login }, mcpServers: {} }, /stateDir: the service may write to \/var\/lib/],
    [{ auth: { login }, mcpServers: {}, entrypoints: { http: { listen: ':80' } } }, /publicUrl: is needed/],
  ];
  for (const [written, message] of rows) {
    writeFileSync(config, JSON.stringify(written));
    const refused = await runProgram(['service', 'install', '--dry-run', '-c', config]);
    assert.equal(refused.code, 1, refused.stdout);
    assert.match(refused.stderr, message);
  }
  const none = await runProgram(['service', 'install', '-c', join(directory.path, 'none')]);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /there is no .*none; write it with "mcp-gateway init -c /);
});
