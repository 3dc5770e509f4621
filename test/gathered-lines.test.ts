import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { gatheredLines } from '../src/gathered-lines.ts';

function written(): { output: Writable; pieces: string[] } {
  const pieces: string[] = [];
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      pieces.push(chunk.toString());
      done();
    },
  });
  return { output, pieces };
}

test('the lines of one turn leave in one write, in order, and those of the next in another', async () => {
  const { output, pieces } = written();
  using lines = gatheredLines(output);
  lines.write('a\n');
  lines.write('b\n');
  assert.deepEqual(pieces, []);
  await turn();
  lines.write('c\n');
  await turn();
  assert.deepEqual(pieces, ['a\nb\n', 'c\n']);
});

test('what is held is written when it is disposed, and nothing is left listening', () => {
  const { output, pieces } = written();
  const listening = process.listenerCount('exit');
  {
    using lines = gatheredLines(output);
    lines.write('last\n');
  }
  assert.deepEqual(pieces, ['last\n']);
  assert.equal(process.listenerCount('exit'), listening);
});

test('what is held is written when the process exits, in whatever way', () => {
  for (const end of ['process.exit(3)', 'throw new Error("a fault")']) {
    const module = JSON.stringify(new URL('../src/gathered-lines.ts', import.meta.url).href);
    const program = `import { gatheredLines } from ${module}; gatheredLines(process.stdout).write("held\\n"); ${end}`;
    assert.throws(
      () => execFileSync(process.execPath, ['--input-type=module', '-e', program], { stdio: 'pipe', encoding: 'utf8' }),
      (error: { stdout: string }) => error.stdout === 'held\n',
      end,
    );
  }
});
