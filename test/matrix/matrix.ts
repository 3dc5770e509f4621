/** Each server called by each client through one gateway. */

import { startProgram } from '../support/program.ts';
import type { RealClient } from './clients.ts';
import type { RealServer } from './servers.ts';

/** By the name of the server, then of the client: undefined where the answer was right, else what went wrong. */
export type Matrix = ReadonlyMap<string, ReadonlyMap<string, string | undefined>>;

export async function matrix(
  servers: readonly RealServer[],
  clients: Readonly<Record<string, RealClient>>,
): Promise<Matrix> {
  const mcpServers = Object.fromEntries(servers.map(({ name, config }) => [name, { ...config, public: true }]));
  await using gateway = await startProgram({ config: { mcpServers } });
  const table = new Map<string, ReadonlyMap<string, string | undefined>>();
  for (const server of servers) {
    const row = Object.entries(clients).map(async ([name, client]) => {
      const said = await client(`${gateway.url}/${server.name}/mcp`, server).catch((error: Error) => error);
      if (said instanceof Error) return [name, said.message] as const;
      const plain = said.replaceAll('\\"', '"').replaceAll('\\\\', '\\');
      return [name, plain.includes(server.answer) ? undefined : `answered ${plain.slice(0, 300)}`] as const;
    });
    table.set(server.name, new Map(await Promise.all(row)));
  }
  return table;
}
