import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readableSize, readableTime } from '../../src/commands/readable.ts';
import { table } from '../../src/commands/table.ts';

const head = ['NAME', 'RULE', 'URL'];
const rows = [
  ['a', `PathPrefix(${'x'.repeat(80)})`, 'https://mcp.example.com/a-long-name/mcp'],
  ['bb', 'Path(`/b`)', 'https://mcp.example.com/b/mcp'],
];

test('a table fits the terminal, and the widest cells lose first', () => {
  for (const room of [40, 60, 80, 100]) {
    const lines = table(head, rows, room);
    assert.ok(
      lines.every((line) => line.length <= room),
      `${room}: ${lines.join('\n')}`,
    );
    assert.match(lines[1] ?? '', /^a /);
    assert.match(lines[1] ?? '', /…/);
  }
  assert.match(table(head, rows, 100)[2] ?? '', /mcp\.example\.com\/b\/mcp$/);
});

test('a table that is not for a terminal is never cut', () => {
  assert.ok(!table(head, rows).join('').includes('…'));
  assert.deepEqual(table(['A', 'B'], [['1', '']]), ['A  B', '1']);
});

test('sizes and times are read at a glance', () => {
  assert.deepEqual([0, 512, 1536, 3.4e6, 5e9].map(readableSize), ['0 B', '512 B', '1.5 KB', '3.2 MB', '4.7 GB']);
  assert.deepEqual([0, 59, 312, 3600, 273600].map(readableTime), ['0s', '59s', '5m 12s', '1h', '3d 4h']);
});
