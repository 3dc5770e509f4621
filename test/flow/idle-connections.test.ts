import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startProgram } from '../support/program.ts';

const most = Number(process.env.IDLE_CONNECTIONS ?? 0);
const skip = most > 0 ? false : 'set IDLE_CONNECTIONS=10000 to hold that many; ulimit -n must allow it';

/** Of the process, in MB. */
const resident = (pid: number | undefined) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

/** A process of its own, since both ends of a connection take a descriptor each. */
const holder = `
  const { connect } = require('node:net');
  const [port, count] = process.argv.slice(1).map(Number);
  let open = 0;
  const dial = () => {
    const socket = connect(port, '127.0.0.1', () => {
      if (++open === count) process.stdout.write('held');
    });
    socket.on('error', (error) => { process.stderr.write(String(error)); process.exit(1); });
    socket.on('close', () => process.exit(1));
    socket.write('GET /livez HTTP/1.1\\r\\nhost: 127.0.0.1\\r\\n\\r\\n');
    socket.resume();
  };
  let begun = 0;
  const timer = setInterval(() => {
    for (let at = 0; at < 200 && begun < count; at++, begun++) dial();
    if (begun === count) clearInterval(timer);
  }, 20);
`;

test(`${most} idle connections are held, others are served meanwhile, and all is given back`, { skip }, async (t) => {
  const config = {
    entrypoints: { http: { listen: '127.0.0.1:0' } },
    limits: { connections: most + 100 },
    log: { access: false },
  };
  await using program = await startProgram({ config });
  const { pid } = program.process;
  const port = Number(new URL(program.url).port);
  const before = resident(pid);
  const child = spawn(process.execPath, ['-e', holder, String(port), String(most)]);
  child.stderr.pipe(process.stderr);
  await once(child.stdout, 'data');
  assert.equal((await fetch(`${program.url}/livez`)).status, 200);
  const each = ((resident(pid) - before) * 1024) / most;
  t.diagnostic(`${each.toFixed(1)} KB for each connection`);
  assert.ok(each < 64, `${each} KB for each connection`);
  child.kill('SIGKILL');
  await once(child, 'close');
  const last = connect(port, '127.0.0.1');
  await once(last, 'connect');
  last.destroy();
  assert.equal((await fetch(`${program.url}/livez`)).status, 200);
  assert.equal(await program.stop(), 0);
});
