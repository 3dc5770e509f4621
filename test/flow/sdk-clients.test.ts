import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
  UnauthorizedError as UnauthorizedV2,
} from '@modelcontextprotocol/client';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { everything } from '../support/everything.ts';
import { type Memory, oauthProvider } from '../support/oauth-provider.ts';
import { type Program, startProgram } from '../support/program.ts';

const url = (program: Program) => new URL('/everything/mcp', program.url);
const about = { name: 'flow', version: '1' };

test('the SDK v1 client meets 401, discovers, registers, logs in and calls a tool of a real stdio server', async () => {
  await using program = await startProgram({ args: ['--name', 'everything', '--', ...everything] });
  const memory: Memory = {};
  const authProvider = oauthProvider({ username: 'admin', password: program.password }, memory);

  const first = new StreamableHTTPClientTransport(url(program), { authProvider });
  await assert.rejects(new Client(about).connect(first), UnauthorizedError);
  const callback = memory.callback;
  assert.ok(callback, 'the browser never came back to the client');
  // RFC 9207 §2: the answer names its issuer. RFC 6749 §4.1.2: state comes back as it was.
  assert.equal(callback.searchParams.get('iss'), program.url);
  assert.equal(callback.searchParams.get('state'), 'a state/with + odd ~ characters');
  await first.finishAuth(callback.searchParams.get('code') ?? '');

  const client = new Client(about);
  await client.connect(new StreamableHTTPClientTransport(url(program), { authProvider }));
  const answer = await client.callTool({ name: 'echo', arguments: { message: 'grüße' } });
  assert.deepEqual(answer.content, [{ type: 'text', text: 'Echo: grüße' }]);
  await client.close();

  // The access token has gone; the refresh token alone brings the client back.
  assert.ok(memory.tokens?.refresh_token);
  memory.tokens = { ...memory.tokens, access_token: 'gone' };
  const again = new Client(about);
  await again.connect(new StreamableHTTPClientTransport(url(program), { authProvider }));
  assert.ok((await again.listTools()).tools.length > 5);
  await again.close();
});

test('the SDK v2 client does the same in its legacy mode', async () => {
  await using program = await startProgram({ args: ['--name', 'everything', '--', ...everything] });
  const memory: Memory = {};
  const authProvider = oauthProvider({ username: 'admin', password: program.password }, memory);

  const first = new TransportV2(url(program), { authProvider });
  await assert.rejects(new ClientV2(about).connect(first), UnauthorizedV2);
  assert.ok(memory.callback, 'the browser never came back to the client');
  await first.finishAuth(memory.callback.searchParams);

  const client = new ClientV2(about);
  await client.connect(new TransportV2(url(program), { authProvider }));
  const answer = await client.callTool({ name: 'get-sum', arguments: { a: 2, b: 40 } });
  assert.match(JSON.stringify(answer.content), /42/);
  await client.close();
});
