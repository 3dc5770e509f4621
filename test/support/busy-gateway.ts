/** A gateway with a life: servers that work and one that fails, clients of several people, and calls all the time. */

import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { hashPassword } from '../../src/oauth/password.ts';
import { initialized, type McpClient } from './mcp-client.ts';
import { codeFor, knock, redeem, register, type TestGateway, testGateway } from './oauth-client.ts';
import { seeded } from './seeded.ts';

const server = (...args: string[]) => ({
  command: 'node',
  args: ['server.mjs', ...args],
  cwd: join(import.meta.dirname, 'children'),
});

/** Calls go on until it is disposed. */
export async function busyGateway(overrides: Record<string, unknown> = {}): Promise<TestGateway> {
  const at = await testGateway({
    mcpServers: {
      files: server(),
      search: server(),
      calendar: { ...server(), public: true },
      tickets: server('--exit'),
      weather: { url: 'http://127.0.0.1:9/mcp' },
    },
    ...overrides,
  });
  const { url } = at;
  const stop = new AbortController();
  const sessions: McpClient[] = [];
  for (const [name, user, resource] of [
    ['Claude', 'alice', 'files'],
    ['Claude', 'bob', 'search'],
    ['Cursor', 'alice', 'search'],
    ['VS Code', 'alice', 'files'],
  ] as const) {
    const { client_id } = await register(url, { client_name: name });
    const more = { resource: `${url}/${resource}/mcp` };
    const { body } = await redeem(url, client_id, await codeFor(url, client_id, more, user), more);
    const authorization = `Bearer ${body.access_token}`;
    sessions.push(await initialized(`${url}/${resource}/mcp`, { authorization, 'user-agent': `${name}/1.0` }));
  }
  await register(url, { client_name: 'ChatGPT' });
  const { tokens, users } = at.gateway.administration;
  const personal = { user: 'password:alice', scope: [], lifetime: 30 * 86400 };
  await tokens.issue({ ...personal, servers: ['files'], name: 'nightly backup' });
  const { token } = await tokens.issue({ ...personal, servers: ['tickets'], name: 'ticket robot' });
  const permitted = { authorization: `Bearer ${token}` };
  await users.add('carol', await hashPassword('of no use', { ln: 4, r: 8, p: 1 }));
  const { below, pick } = seeded(7);
  const calling = (async () => {
    while (!stop.signal.aborted) {
      const [tool, args] =
        below(4) === 0 ? (['sleep', { ms: below(120) }] as const) : (['echo', { text: 'hello' }] as const);
      await pick(sessions).call(tool, args);
      if (below(40) === 0) await knock(url, undefined, 'files');
      // It fails, until the gateway leaves it alone.
      if (below(20) === 0) await initialized(`${url}/tickets/mcp`, permitted).catch(() => {});
      await setTimeout(below(60));
    }
  })();
  return {
    ...at,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await calling;
      await at[Symbol.asyncDispose]();
    },
  };
}
