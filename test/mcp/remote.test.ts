import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { httpFixture } from '../support/fixture/http.ts';
import {
  frames,
  initialized,
  initializeParams,
  mcpClient,
  nextMessage,
  type RpcMessage,
} from '../support/mcp-client.ts';
import { modernClient } from '../support/modern-client.ts';
import { listening, through } from '../support/remote-server.ts';

type Answering = (body: RpcMessage | undefined, req: IncomingMessage, res: ServerResponse) => unknown;

/** A server by hand that does what an honest one does, unless `answering` has answered already. */
function byHand(answering: Answering): {
  server: Server;
  seen: { req: IncomingMessage; body: RpcMessage | undefined }[];
} {
  const seen: { req: IncomingMessage; body: RpcMessage | undefined }[] = [];
  const serveOne = async (req: IncomingMessage, res: ServerResponse) => {
    const body = req.method === 'POST' ? ((await json(req)) as RpcMessage) : undefined;
    seen.push({ req, body });
    answering(body, req, res);
    if (res.headersSent || res.destroyed) return;
    if (body?.method === 'initialize') {
      const result = {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'hand', version: '1' },
      };
      res.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': 's1' });
      res.end(JSON.stringify({ jsonrpc: '2.0', id: body.id, result }));
    } else if (body?.method === 'server/discover') res.writeHead(400).end();
    else res.writeHead(req.method === 'GET' ? 405 : 202).end();
  };
  return { server: createServer((req, res) => void serveOne(req, res)), seen };
}

const mirrored = { type: 'object', properties: { where: { type: 'string', 'x-mcp-header': 'Where' } } };

const reply = (res: ServerResponse, message: object, status = 200) =>
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', ...message }));

/** The tools of a list. */
const namesOf = (message: RpcMessage) => ((message.result?.tools ?? []) as { name: string }[]).map(({ name }) => name);

describe('an HTTP server of one era', () => {
  test('a client of the sessions era reaches a modern server', async () => {
    await using server = await listening(httpFixture('modern'));
    await using at = await through(server.url);
    const client = await initialized(at.url, { 'x-test-user': 'alice' });
    assert.match(await client.call('test_simple_text'), /simple text/);
    assert.ok(namesOf(await client.request('tools/list')).includes('test_simple_text'));
    assert.ok((await client.request('no/such')).error);
    assert.equal((await client.end()).status, 204);
  });

  test('a modern client reaches a server of the sessions era, and hears what it does not know', async () => {
    await using server = await listening(httpFixture('legacy'));
    await using at = await through(server.url);
    const client = modernClient(at.url, { 'x-test-user': 'alice' });
    const { result } = await client.request({ method: 'server/discover' });
    assert.ok(Array.isArray(result?.supportedVersions));
    assert.equal((await client.call('test_simple_text')).status, 200);
    assert.equal((await client.request({ method: 'no/such' })).status, 404);
  });

  test('the server gets its own key and our word on who calls, and neither token nor cookie of the client', async () => {
    const { server, seen } = byHand(() => {});
    await using running = await listening(server);
    await using at = await through(running.url, { tools: { deny: ['x'] } });
    await initialized(at.url, {
      'x-test-user': 'a',
      authorization: 'Bearer secret',
      cookie: 'a=b',
      'x-user-id': 'root',
    });
    const said: unknown[] = [];
    for (const { req, body } of seen) {
      assert.equal(req.headers['x-api-key'], 'its own');
      if (body?.method === 'initialize') said.push(req.headers['x-user-id']);
      for (const name of ['authorization', 'cookie', 'x-test-user']) assert.equal(req.headers[name], undefined);
    }
    assert.ok(said.includes('test:a'));
    assert.ok(!said.includes('root'));
  });

  test('2025-11-25 session management: a session that the server forgot is 404 for the client too, and a new one works', async () => {
    let forgotten = false;
    const { server } = byHand((body, req, res) => {
      if (body?.method === 'initialize') forgotten = false;
      else if (forgotten && req.headers['mcp-session-id'] !== undefined) res.writeHead(404).end();
      else if (body?.method === 'tools/list') reply(res, { id: body.id, result: { tools: [] } });
    });
    await using running = await listening(server);
    await using at = await through(running.url, { tools: { deny: ['x'] } });
    const client = await initialized(at.url);
    assert.deepEqual((await client.request('tools/list')).result, { tools: [] });
    forgotten = true;
    const lost = await client.request('tools/list');
    assert.ok(lost.error);
    assert.equal((await client.post({ jsonrpc: '2.0', id: 1, method: 'tools/list' })).status, 404);
    const again = await initialized(at.url);
    assert.deepEqual((await again.request('tools/list')).result, { tools: [] });
  });

  test('2025-11-25 resumability: a call whose stream the server closed is resumed where it was', async () => {
    let id: unknown;
    const { server, seen } = byHand((body, req, res) => {
      if (body?.method === 'tools/call') {
        id = body.id;
        res.writeHead(200, { 'content-type': 'text/event-stream' }).end('id: e1\nretry: 10\ndata:\n\n');
      } else if (req.method === 'GET' && req.headers['last-event-id'] === 'e1') {
        const message = { jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: 'late' }] } };
        res.writeHead(200, { 'content-type': 'text/event-stream' }).end(`id: e2\ndata: ${JSON.stringify(message)}\n\n`);
      }
    });
    await using running = await listening(server);
    await using at = await through(running.url, { tools: { deny: ['x'] } });
    const client = await initialized(at.url);
    assert.equal(await client.call('slow'), 'late');
    await client.end();
    await at[Symbol.asyncDispose]();
    assert.equal(seen.at(-1)?.req.method, 'DELETE');
  });

  test('a call whose answer never comes is an error, and so is a refusal that is no JSON-RPC', async () => {
    const { server } = byHand((body, _req, res) => {
      if (body?.method !== 'tools/call') return;
      if (body.params?.name === 'cut') res.writeHead(200, { 'content-type': 'text/event-stream' }).end();
      else if (body.params?.name === 'refused') res.writeHead(401).end('who are you?');
      else if (body.params?.name === 'unread')
        reply(res, { id: 'server-error', error: { code: -32600, message: 'no' } }, 400);
      else res.destroy();
    });
    await using running = await listening(server);
    await using at = await through(running.url, { tools: { deny: ['x'] } });
    const client = await initialized(at.url);
    const said = async (name: string) => (await client.request('tools/call', { name })).error;
    assert.match((await said('cut'))?.message ?? '', /did not answer/);
    assert.match((await said('refused'))?.message ?? '', /answered 401/);
    assert.deepEqual(await said('unread'), { code: -32600, message: 'no' });
    assert.match((await said('reset'))?.message ?? '', /cannot be reached/);
  });

  test('a server that is away is an error at once, and nobody waits once it is back', async () => {
    const { server: first } = byHand(() => {});
    const gone = await listening(first);
    await using at = await through(gone.url, { tools: { deny: ['x'] } });
    await gone[Symbol.asyncDispose]();
    const client = mcpClient(at.url);
    for (let tries = 0; tries < 8; tries++) {
      const answer = await client.post({ jsonrpc: '2.0', id: 1, method: 'initialize', params: initializeParams() });
      assert.ok(answer.status === 502 || ((await answer.json()) as RpcMessage).error, String(answer.status));
    }
    const { server: second } = byHand(() => {});
    await using _back = await listening(second, Number(new URL(gone.url).port));
    await initialized(at.url);
  });

  test('the endpoint may move within the server, as frameworks that add a slash do', async () => {
    const { server } = byHand((_body, req, res) => {
      if (req.url === '/mcp') res.writeHead(307, { location: '/mcp/' }).end();
    });
    await using running = await listening(server);
    await using at = await through(running.url, { tools: { deny: ['x'] } });
    await initialized(at.url);
  });

  test('what the server says unasked reaches the stream of its session', async () => {
    const { server } = byHand((_body, req, res) => {
      if (req.method !== 'GET') return;
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n');
    });
    await using running = await listening(server);
    await using at = await through(running.url, { tools: { deny: ['x'] } });
    const client = await initialized(at.url);
    const stream = frames(await client.get());
    assert.equal((await nextMessage(stream)).method, 'notifications/tools/list_changed');
    await client.end();
  });

  test('2026-07-28 streamable HTTP: who hangs up cancels, and the server sees that request close and no other', async () => {
    const closed = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const { server, seen } = byHand((body, _req, res) => {
      if (body?.method === 'server/discover')
        return reply(res, { id: body.id, result: { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } } });
      if (body?.method === 'initialize')
        return reply(res, { id: body.id, error: { code: -32601, message: 'no' } }, 404);
      if (body?.method === 'tools/list')
        return reply(res, {
          id: body.id,
          result: { resultType: 'complete', tools: [{ name: 'slow', inputSchema: mirrored }] },
        });
      if (body?.params?.name === 'slow') {
        res.once('close', closed.resolve);
        res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
        asked.resolve();
      }
      return undefined;
    });
    await using running = await listening(server);
    await using at = await through(running.url, { tools: { deny: ['x'] } });
    const hangUp = new AbortController();
    const client = modernClient(at.url, { 'x-test-user': 'alice' });
    const headers = { 'mcp-param-where': 'Wien' };
    const call = client.call('slow', { where: 'Wien' }, { signal: hangUp.signal, headers });
    await asked.promise;
    hangUp.abort();
    await assert.rejects(call);
    await closed.promise;
    const sent = seen.find(({ body }) => body?.method === 'tools/call')?.req.headers;
    assert.deepEqual(
      [sent?.['mcp-protocol-version'], sent?.['mcp-method'], sent?.['mcp-name'], sent?.['mcp-param-where']],
      ['2026-07-28', 'tools/call', 'slow', 'Wien'],
    );
  });
});

describe('tools.allow and tools.deny of a server with a url', () => {
  const policy = { tools: { allow: ['test_*'], deny: ['test_error_*'] } };

  for (const eras of ['legacy', 'modern', 'dual'] as const) {
    test(`clients of both eras see and call what is allowed, on a ${eras} server`, async () => {
      await using server = await listening(httpFixture(eras));
      await using at = await through(server.url, policy);
      const modern = modernClient(at.url, { 'x-test-user': 'alice' });
      const old = await initialized(at.url, { 'x-test-user': 'alice' });
      for (const list of [await modern.request({ method: 'tools/list' }), await old.request('tools/list')]) {
        assert.ok(namesOf(list).includes('test_simple_text'));
        assert.deepEqual(
          namesOf(list).filter((name) => !name.startsWith('test_') || name.startsWith('test_error_')),
          [],
        );
      }
      assert.ok((await modern.call('test_simple_text')).result);
      for (const answer of [
        await modern.call('test_error_handling'),
        await old.request('tools/call', { name: 'test_error_handling' }),
        await old.request('tools/call', { name: 'json_schema_2020_12_tool' }),
      ])
        assert.equal(answer.error?.code, -32602);
    });
  }

  test('a name that stands there twice, or in another case, smuggles nothing', async () => {
    const { server, seen } = byHand(
      (body, _req, res) => body?.method === 'tools/call' && reply(res, { id: body.id, result: {} }),
    );
    await using running = await listening(server);
    await using at = await through(running.url, { tools: { deny: ['secret'] } });
    const client = await initialized(at.url);
    for (const params of [
      '{"name":"fine","name":"secret"}',
      '{"name":"secret","name":"fine"}',
      '{"name":"fine","Name":"secret"}',
    ]) {
      const response = await client.post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`);
      assert.equal(response.status, 400, params);
    }
    const twice = '{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"secret"}}';
    assert.equal((await client.post(twice)).status, 400);
    assert.deepEqual(
      seen.filter(({ body }) => body?.method === 'tools/call'),
      [],
    );
  });
});
