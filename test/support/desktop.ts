/** A person's desktop, for programs that open the default browser: what they open goes through our pages as a person would. */

import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as after } from 'node:timers/promises';
import { browser, type Person } from './browser.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface Desktop extends AsyncDisposable {
  /** The environment for a program: its home is here, and xdg-open leads to this browser. */
  readonly environment: Record<string, string>;
  /** That home. */
  readonly directory: string;
  /** Who sits there. */
  person: Person;
  /** Everything that was opened. */
  readonly opened: readonly URL[];
}

export async function desktop(person: Person): Promise<Desktop> {
  const directory = await temporaryDirectory();
  const screen = browser();
  const opened: URL[] = [];
  const visits: Promise<unknown>[] = [];
  const faults: unknown[] = [];

  async function visit(url: string): Promise<void> {
    opened.push(new URL(url));
    const back = await screen.authorize(url, desk.person);
    // The last hop is the program's own page. Some open the browser before they listen there: no person is that fast.
    for (let attempt = 1; ; attempt += 1) {
      const answer = await fetch(back).catch((error: unknown) => error);
      if (answer instanceof Response) return void (await answer.text());
      if (attempt === 600) throw answer;
      await after(50);
    }
  }
  const server = createServer(async (req, res) => {
    const url = await text(req);
    res.end();
    visits.push(
      visit(url).catch((error: unknown) => {
        // Whoever waits for the person does not know, and tells only that nobody came.
        process.stderr.write(`the person at the browser: ${error}\n`);
        faults.push(error);
      }),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = address !== null && typeof address !== 'string' ? address.port : 0;

  const command = join(directory.path, 'browser');
  const script = `fetch('http://127.0.0.1:${port}', { method: 'POST', body: process.argv[2] });`;
  writeFileSync(command, `#!${process.execPath}\n${script}\n`);
  chmodSync(command, 0o755);
  const desk: Desktop = {
    person,
    // Nothing that tells of a real desktop, where xdg-open would open a real browser.
    environment: { PATH: process.env.PATH ?? '', BROWSER: command, HOME: directory.path },
    directory: directory.path,
    opened,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await Promise.all(visits);
      await directory[Symbol.asyncDispose]();
      if (faults.length > 0) throw new AggregateError(faults, 'the person at the browser did not get through');
    },
  };
  return desk;
}
