import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { trustAdvice } from '../../src/tls/trust-advice.ts';

test('how to trust the local authority is told for each system, in words that a shell takes as they are', () => {
  const file = "/home/o'neil/$HOME/my state/root.pem";
  const advice = trustAdvice(file);
  for (const system of ['Debian', 'Fedora', 'Chrome on Linux', 'macOS', 'Windows', 'Firefox', 'Node']) {
    const line = advice.find((each) => each.trim().startsWith(system)) ?? '';
    const [, quoted] = /('.*root\.pem')/.exec(line) ?? [];
    if (system === 'Windows') assert.match(line, /certutil -addstore -f Root "[^"]*root\.pem"/);
    else assert.equal(execFileSync('sh', ['-c', `printf %s ${quoted}`], { encoding: 'utf8' }), file, system);
  }
});
