import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../..');

test('docs/storage.md lists every kind of record that the code stores, and none that it does not', () => {
  const source = globSync('src/**/*.ts', { cwd: root })
    .map((file) => readFileSync(join(root, file), 'utf8'))
    .join('\n');
  const collections = [...source.matchAll(/collection(?:<[^;()]*?>)?\(\s*\w+,\s*'([a-z-]+)'/g)];
  const direct = [...source.matchAll(/(?:increment|get|set|delete)\(`([a-z-]+):/g)];
  const stored = new Set([...collections, ...direct].map(([, kind = '']) => kind));
  const docs = readFileSync(join(root, 'docs/storage.md'), 'utf8');
  const records = docs.slice(docs.indexOf('## Records'), docs.indexOf('## Backup'));
  const listed = new Set([...records.matchAll(/`([a-z-]+):/g)].map(([, kind = '']) => kind));
  assert.ok(stored.size > 20);
  assert.deepEqual(
    [...stored].filter((kind) => !listed.has(kind)),
    [],
  );
  const named = [...listed].filter((kind) => !new RegExp(`['\`]${kind}[':]`).test(source));
  assert.deepEqual(named, []);
});
