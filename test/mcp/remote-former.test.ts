/** A server with a `url` that knows only the transport of 2024-11-05: the SDK's, unmodified. */

import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { test } from 'node:test';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { eventually } from '../support/bridged.ts';
import { legacyServer } from '../support/fixture/legacy.ts';
import { initialized } from '../support/mcp-client.ts';
import { modernClient } from '../support/modern-client.ts';
import { listening, through } from '../support/remote-server.ts';

function formerServer(): { server: Server; open(): number } {
  const sessions = new Map<string, SSEServerTransport>();
  const server = createServer(async (req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://127.0.0.1');
    if (req.method === 'GET' && pathname === '/mcp') {
      const transport = new SSEServerTransport('/messages', res);
      sessions.set(transport.sessionId, transport);
      res.on('close', () => sessions.delete(transport.sessionId));
      return await legacyServer().connect(transport);
    }
    const session = sessions.get(searchParams.get('sessionId') ?? '');
    if (req.method === 'POST' && session) return await session.handlePostMessage(req, res);
    return res.writeHead(404).end('Cannot POST /mcp');
  });
  return { server, open: () => sessions.size };
}

test('2024-11-05 HTTP with SSE: clients of every revision reach a server that knows no other transport', async () => {
  const { server, open } = formerServer();
  await using running = await listening(server);
  await using at = await through(running.url);
  const legacy = await initialized(at.url, { 'x-test-user': 'alice' });
  assert.match(await legacy.call('test_simple_text'), /simple text/);
  assert.ok((await legacy.request('no/such')).error);
  const modern = modernClient(at.url, { 'x-test-user': 'bob' });
  assert.equal((await modern.call('test_simple_text')).status, 200);
  assert.equal((await legacy.end()).status, 204);
  await at[Symbol.asyncDispose]();
  await eventually('every stream to the server is closed', () => open() === 0);
});

test('a session ends with its stream, and the next one is another', async () => {
  const { server, open } = formerServer();
  await using running = await listening(server);
  await using at = await through(running.url);
  const client = await initialized(at.url);
  await client.call('test_simple_text');
  server.closeAllConnections();
  await eventually('the loss is noticed', () => open() === 0);
  await eventually('the session is over', async () => {
    const { status } = await client.post({ jsonrpc: '2.0', id: 9, method: 'ping' });
    return status === 404;
  });
  assert.match(await (await initialized(at.url)).call('test_simple_text'), /simple text/);
});

test('messages go to the origin of the endpoint alone, whatever address the server names', async () => {
  let reached = 0;
  const elsewhere = createServer((_req, res) => {
    reached++;
    res.writeHead(202).end();
  });
  await using other = await listening(elsewhere);
  const server = createServer((req, res) => {
    if (req.method !== 'GET') return void res.writeHead(405).end();
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.write(`event: endpoint\ndata: ${other.url}\n\n`);
  });
  await using running = await listening(server);
  await using at = await through(running.url, { tools: { deny: ['x'] } });
  const client = await fetch(at.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}',
  });
  assert.match(await client.text(), /error/);
  assert.equal(reached, 0);
});
