import assert from 'node:assert/strict';
import { request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Program, startProgram } from '../support/program.ts';
import { rawDial, rawExchange, rawServer } from '../support/raw-http.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const status = async (port: number, path: string) =>
  Number(
    /^HTTP\/1\.1 (\d+)/.exec(
      await rawExchange(port, `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`),
    )?.[1],
  );

/** Resolves when the program has said that it keeps what it had. */
async function reloadInVain(program: Program, config: object): Promise<string> {
  const before = program.errors().length;
  // It waits for a success that does not come, until the program is stopped.
  program.reload(config).catch(() => {});
  while (!/configuration not reloaded.*\n/.test(program.errors().slice(before)))
    await new Promise((resolve) => setTimeout(resolve, 10));
  return program.errors().slice(before);
}

test('a reload keeps the stream of a service that stays, brings routes and takes them, and a faulty one changes nothing', async () => {
  await using origin = await rawServer((socket, seen) => {
    const stream =
      'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\n: a\n\n\r\n';
    socket.write(seen.includes('/events') ? stream : 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
  });
  const router = (name: string) => ({ name, rule: `PathPrefix(\`/${name}\`)`, service: 'origin', auth: false });
  const configOf = (...names: string[]) => ({
    entrypoints: { http: { listen: '127.0.0.1:0' } },
    routers: names.map(router),
    services: { origin: { servers: [{ url: `http://127.0.0.1:${origin.port}` }] } },
  });
  await using program = await startProgram({ config: configOf('events', 'old') });
  const port = Number(new URL(program.url).port);
  const { socket, text } = await rawDial(port, 'GET /events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n', /: a/);
  assert.deepEqual([await status(port, '/old'), await status(port, '/new')], [200, 404]);

  await program.reload(configOf('events', 'new'));
  assert.deepEqual([await status(port, '/old'), await status(port, '/new')], [404, 200]);

  const faults = [
    { ...configOf('events'), unheard: 1 },
    { ...configOf('events'), publicUrl: 'http://127.0.0.1:1' },
    { ...configOf('events'), routers: 'none' },
  ];
  for (const fault of faults) {
    assert.match(await reloadInVain(program, fault), /unheard|publicUrl|routers/);
    assert.deepEqual([await status(port, '/old'), await status(port, '/new')], [404, 200]);
  }

  assert.equal(socket.closed, false);
  const [stream] = [...origin.open].filter((_, at) => origin.seen[at]?.includes('/events'));
  stream?.write('5\r\n: b\n\n\r\n');
  while (!text().includes(': b')) await new Promise((resolve) => setTimeout(resolve, 10));
  socket.destroy();
});

test('twenty reloads under load lose no request, by signal and by the admin socket', async () => {
  await using directory = await temporaryDirectory();
  await using origin = await rawServer((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'));
  const stateDir = join(directory.path, 'state');
  const configOf = (turn: number) => ({
    stateDir,
    entrypoints: { http: { listen: '127.0.0.1:0' } },
    routers: [{ name: `r${turn}`, rule: 'PathPrefix(`/`)', service: 'origin', auth: false, middlewares: ['m'] }],
    services: { origin: { servers: [{ url: `http://127.0.0.1:${origin.port}`, weight: 1 + (turn % 3) }] } },
    middlewares: { m: { headers: { customResponseHeaders: { 'x-turn': String(turn) } } } },
    log: { access: false },
  });
  await using program = await startProgram({ config: configOf(0) });
  const statuses = new Map<number, number>();
  const turns = new Set<string | null>();
  let running = true;
  const load = Array.from({ length: 4 }, async () => {
    while (running) {
      const answer = await fetch(program.url);
      assert.equal(await answer.text(), 'ok');
      turns.add(answer.headers.get('x-turn'));
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    }
  });
  for (let turn = 1; turn <= 20; turn += 1) {
    if (turn % 2 === 0) await program.reload(configOf(turn));
    else assert.equal(await posted(join(stateDir, 'admin.sock'), '/reload'), 200);
  }
  running = false;
  await Promise.all(load);
  assert.deepEqual([...statuses.keys()], [200]);
  assert.ok(turns.size > 5, `${turns.size} configurations were seen at work`);
});

function posted(socketPath: string, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, method: 'POST', agent: false }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode));
    });
    asked.once('error', reject).end();
  });
}
