/**
 * Writes to a file store without end and tells each promise that was kept, one JSON line each: `node store-writer.ts PATH FIRST`.
 * What has been told must be true for ever after, however this process ends.
 */

import { writeSync } from 'node:fs';
import { fileStore } from '../../src/store/file-store.ts';
import { StoreUnavailable } from '../../src/store/store.ts';

export interface Kept {
  readonly n: number;
  readonly kind: 'set' | 'claimed' | 'deleted' | 'counted';
  readonly count?: number;
}

const [, , path = '', first = '0'] = process.argv;
const store = fileStore(path);
const text = 'x'.repeat(300);
let next = Number(first);

async function write(n: number): Promise<Kept> {
  switch (n % 4) {
    case 0:
      await store.set(`set:${n}`, { n, text }, { ttl: 3600 });
      return { n, kind: 'set' };
    case 1:
      await store.set(`claimed:${n}`, n, { only: 'absent' });
      return { n, kind: 'claimed' };
    case 2:
      await store.set(`deleted:${n}`, { n, text });
      await store.delete(`deleted:${n}`);
      return { n, kind: 'deleted' };
    default:
      return { n, kind: 'counted', count: await store.increment('counted', 3600) };
  }
}

async function writeOn(): Promise<void> {
  for (;;) {
    const n = next;
    next += 1;
    try {
      tell(await write(n));
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      tell({ n, unavailable: error.message, readable: (await store.get('set:0')) !== undefined });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function tell(line: object): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

for (let writers = 0; writers < 8; writers += 1) void writeOn();
