import assert from 'node:assert/strict';
import { test } from 'node:test';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { sdkClients } from './clients.ts';
import { matrix } from './matrix.ts';
import { npmServers } from './servers.ts';

test('real servers, as they are published, answer the clients of both SDKs in each era', async () => {
  await using directory = await temporaryDirectory();
  const servers = npmServers(directory.path);
  const table = await matrix(servers, sdkClients);
  for (const { name } of servers) {
    const row = [...(table.get(name) ?? [])];
    assert.equal(row.length, Object.keys(sdkClients).length);
    assert.deepEqual(
      row.filter(([, fault]) => fault !== undefined),
      [],
      name,
    );
  }
});
