import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { everything } from './support/everything.ts';
import { freePort } from './support/free-port.ts';
import { initialized, initializeParams, mcpClient } from './support/mcp-client.ts';
import { signedIn, testGateway } from './support/oauth-client.ts';
import { redisMissing, startRedis } from './support/redis.ts';

const missing = await redisMissing();
const storeKey = 'a key for tests, thirty-two letters at least';

async function settings(redis: string, port: number): Promise<Record<string, unknown>> {
  return {
    store: redis,
    storeKey,
    publicUrl: `http://127.0.0.1:${port}`,
    peers: { listen: `127.0.0.1:${await freePort()}` },
    mcpServers: { one: { command: everything[0], args: everything.slice(1) } },
  };
}

const listening = (port: number) => ({ entrypoints: { http: { listen: `127.0.0.1:${port}` } } });

test('a session that began at one gateway is reached from another, and is 404 there once its gateway has gone', {
  skip: missing,
}, async () => {
  await using redis = await startRedis();
  const [port, otherPort] = [await freePort(), await freePort()];
  await using one = await testGateway({ ...(await settings(redis.url, port)), ...listening(port) });
  await using stack = new AsyncDisposableStack();
  const owner = await testGateway({ ...(await settings(redis.url, port)), ...listening(otherPort) });
  stack.use(owner);
  const { tokens } = await signedIn(one.url);
  const own = { authorization: `Bearer ${tokens.access_token}` };
  const at = await initialized(`http://127.0.0.1:${otherPort}/one/mcp`, own);
  const id = at.headers['mcp-session-id'] ?? '';
  const session = { ...own, 'mcp-session-id': id, 'mcp-protocol-version': '2025-11-25' };
  const here = mcpClient(`${one.url}/one/mcp`, session);
  const call = (method: string, params = {}) => here.post({ jsonrpc: '2.0', id: 7, method, params });
  const listed = await call('tools/list');
  assert.equal(listed.status, 200);
  assert.match(await listed.text(), /"echo"/);
  const echoed = await call('tools/call', { name: 'echo', arguments: { message: 'hällo '.repeat(20_000) } });
  assert.match(await echoed.text(), /hällo hällo/);
  const events = await fetch(`${one.url}/one/mcp`, { headers: { ...session, accept: 'text/event-stream' } });
  assert.equal(events.status, 200);
  assert.match(events.headers.get('content-type') ?? '', /event-stream/);
  await events.body?.cancel();
  const stranger = await signedIn(one.url, {}, 'bob');
  const theft = { ...session, authorization: `Bearer ${stranger.tokens.access_token}` };
  const taken = await mcpClient(`${one.url}/one/mcp`, theft).post({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
  assert.equal(taken.status, 404, 'the owner checks whose session it is');
  const bare = { ...session, authorization: '' };
  const nobody = await mcpClient(`${one.url}/one/mcp`, bare).post({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
  assert.equal(nobody.status, 401);
  await stack.disposeAsync();
  assert.equal((await call('tools/list')).status, 404);
  const anew = mcpClient(`${one.url}/one/mcp`, own);
  const begun = await anew.post({ jsonrpc: '2.0', id: 1, method: 'initialize', params: initializeParams() });
  assert.equal(begun.status, 200);
});

test('the channel between gateways opens for none who does not know the key', { skip: missing }, async () => {
  await using redis = await startRedis();
  const port = await freePort();
  const config = await settings(redis.url, port);
  await using _one = await testGateway({ ...config, ...listening(port) });
  const { listen } = config.peers as { listen: string };
  const options = { host: '127.0.0.1', port: Number(listen.split(':')[1]), checkServerIdentity: () => undefined };
  const tries = [
    {},
    {
      ciphers: 'PSK',
      maxVersion: 'TLSv1.2' as const,
      pskCallback: () => ({ identity: 'mcp-gateway', psk: Buffer.alloc(32) }),
    },
  ];
  for (const each of tries) {
    const socket = connect({ ...options, ...each, rejectUnauthorized: false });
    let secure = false;
    socket.on('secureConnect', () => {
      secure = true;
    });
    await once(socket, 'error');
    socket.destroy();
    assert.equal(secure, false);
  }
});
