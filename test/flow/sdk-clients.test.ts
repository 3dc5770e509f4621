import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as after } from 'node:timers/promises';
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { everything } from '../support/everything.ts';
import { type Memory, oauthProvider } from '../support/oauth-provider.ts';
import { startProgram } from '../support/program.ts';

/** One connection of an SDK's client, as far as the two lines are used alike. */
interface Connection {
  connect(): Promise<void>;
  /** Takes what came back to the redirect URI. */
  finish(callback: URLSearchParams): Promise<void>;
  echo(message: string): Promise<string>;
  /** The revision of MCP that was agreed on. */
  revision(): string | undefined;
  close(): Promise<void>;
}

type Sdk = (url: URL, authProvider: ReturnType<typeof oauthProvider>) => Connection;

const about = { name: 'flow', version: '1' };
const echo = (message: string) => ({ name: 'echo', arguments: { message } });

const v2 =
  (mode: 'legacy' | 'auto'): Sdk =>
  (url, authProvider) => {
    const client = new ClientV2(about, { versionNegotiation: { mode } });
    const transport = new TransportV2(url, { authProvider });
    return {
      connect: () => client.connect(transport),
      finish: (callback) => transport.finishAuth(callback),
      echo: async (message) => JSON.stringify((await client.callTool(echo(message))).content),
      revision: () => client.getNegotiatedProtocolVersion(),
      close: () => client.close(),
    };
  };

const sdks: Readonly<Record<string, Sdk>> = {
  v1(url, authProvider) {
    const client = new Client(about);
    const transport = new StreamableHTTPClientTransport(url, { authProvider });
    return {
      connect: () => client.connect(transport),
      finish: (callback) => transport.finishAuth(callback.get('code') ?? ''),
      echo: async (message) => JSON.stringify((await client.callTool(echo(message))).content),
      revision: () => transport.protocolVersion,
      close: () => client.close(),
    };
  },
  v2: v2('legacy'),
  'v2 (2026-07-28)': v2('auto'),
};

/** The transport that clients of 2024-11-05 know. */
const former: Sdk = (url, authProvider) => {
  const client = new Client(about);
  const transport = new SSEClientTransport(url, { authProvider });
  return {
    connect: () => client.connect(transport as Transport),
    finish: (callback) => transport.finishAuth(callback.get('code') ?? ''),
    echo: async (message) => JSON.stringify((await client.callTool(echo(message))).content),
    revision: () => undefined,
    close: () => client.close(),
  };
};

/** Sent to the browser where it is not authorized, and connected by what comes back from there. */
async function connected(open: () => Connection, memory: Memory): Promise<Connection> {
  const first = open();
  await assert.rejects(first.connect(), /Unauthorized/);
  const callback: URL | undefined = memory.callback;
  assert.ok(callback, 'the browser never came back to the client');
  await first.finish(callback.searchParams);
  const again = open();
  await again.connect();
  return again;
}

const [command, ...args] = everything;

test('2024-11-05 HTTP with SSE: the SDK’s client of that transport logs in for it, and its token opens nothing else', async () => {
  await using program = await startProgram({ args: ['--name', 'everything', '--', ...everything] });
  const memory: Memory = {};
  const provider = oauthProvider({ username: 'admin', password: program.password }, memory);
  const client = await connected(() => former(new URL('/everything/sse', program.url), provider), memory);
  assert.match(await client.echo('grüße'), /Echo: grüße/);
  await client.close();
  const authorization = `Bearer ${memory.tokens?.access_token}`;
  assert.equal(
    (await fetch(`${program.url}/everything/mcp`, { method: 'POST', headers: { authorization } })).status,
    401,
  );
});

for (const [name, sdk] of Object.entries(sdks)) {
  test(`the SDK ${name} client meets 401, discovers, registers, logs in and calls a tool of a real stdio server`, async () => {
    await using program = await startProgram({ args: ['--name', 'everything', '--', ...everything] });
    const memory: Memory = {};
    const provider = oauthProvider({ username: 'admin', password: program.password }, memory);
    const open = () => sdk(new URL('/everything/mcp', program.url), provider);
    const client = await connected(open, memory);
    assert.match(await client.echo('grüße'), /Echo: grüße/);
    assert.equal(client.revision(), name.endsWith(')') ? '2026-07-28' : '2025-11-25');
    await client.close();
    // RFC 9207 §2: the answer names its issuer. RFC 6749 §4.1.2: state comes back as it was.
    assert.equal(memory.callback?.searchParams.get('iss'), program.url);
    assert.equal(memory.callback?.searchParams.get('state'), 'a state/with + odd ~ characters');

    // The access token has gone; the refresh token alone brings the client back.
    assert.ok(memory.tokens?.refresh_token);
    memory.tokens = { ...memory.tokens, access_token: 'gone' };
    delete memory.callback;
    const again = open();
    await again.connect();
    assert.match(await again.echo('again'), /Echo: again/);
    assert.equal(memory.callback, undefined, 'the browser was opened');
    await again.close();
  });

  test(`OAuth 2.1 §4.3: a session of the SDK ${name} client goes on after its access token has expired`, async () => {
    const mcpServers = { everything: { command, args } };
    await using program = await startProgram({ config: { mcpServers, auth: { accessTokenLifetime: '3s' } } });
    const memory: Memory = {};
    const provider = oauthProvider({ username: 'admin', password: program.password }, memory);
    const client = await connected(() => sdk(new URL('/everything/mcp', program.url), provider), memory);
    const expired = memory.tokens?.access_token;
    delete memory.callback;
    await after(3100);
    assert.match(await client.echo('still here'), /Echo: still here/);
    assert.notEqual(memory.tokens?.access_token, expired);
    assert.equal(memory.callback, undefined, 'the browser was opened');
    await client.close();
  });

  // SDK v1 answers any 403 with a refresh where it can, which gives it the same scope again; without one it steps up.
  const grantTypes = name === 'v1' ? ['authorization_code'] : ['authorization_code', 'refresh_token'];
  test(`RFC 6750 §3.1: the SDK ${name} client steps up to all the scopes a server needs in one round`, async () => {
    const server = { command, args };
    await using program = await startProgram({ config: { mcpServers: { everything: server } } });
    const memory: Memory = {};
    const provider = oauthProvider({ username: 'admin', password: program.password }, memory, grantTypes);
    const open = () => sdk(new URL('/everything/mcp', program.url), provider);
    await (await connected(open, memory)).close();
    assert.equal(memory.tokens?.scope, 'mcp');

    await program.reload({ mcpServers: { everything: { ...server, scopes: ['files:read', 'files:write'] } } });
    delete memory.callback;
    const client = await connected(open, memory);
    assert.match(await client.echo('allowed'), /Echo: allowed/);
    assert.deepEqual(memory.tokens?.scope?.split(' ').toSorted(), ['files:read', 'files:write']);
    await client.close();
  });
}
