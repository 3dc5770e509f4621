/** The store of the running gateway, for backups: nobody else reaches one that is kept in memory. */

import * as z from 'zod';
import type { Operations } from '../console/operations.ts';
import type { Store } from '../store/store.ts';
import { read } from './socket.ts';

const newRecord = z.lazy(() => z.strictObject({ key: z.string(), value: z.json(), ttl: z.number().optional() }));

export function recordOperations(store: Store): Operations {
  return {
    'GET /records': () => lines(store),
    'POST /records': async (asked) => {
      const { key, value, ttl } = read(newRecord, asked);
      await store.set(key, value, ttl === undefined ? {} : { ttl });
      return { key };
    },
    'DELETE /records/*': async ({ name }) => {
      await store.delete(name);
      return { key: name };
    },
  };
}

async function* lines(store: Store): AsyncIterable<string> {
  for await (const record of store.records('')) yield `${JSON.stringify(record)}\n`;
}
