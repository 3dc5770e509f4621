/** Where the browser comes back to: RFC 8252 §7.3, a loopback address of this machine. */

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Door extends AsyncDisposable {
  readonly redirectUri: string;
  /** The first answer with this `state`; others are turned away. */
  answer(state: string): Promise<URLSearchParams>;
}

const path = '/callback';

/** At the port of the wanted redirect URI where that is free, else at any. */
export async function openDoor(wanted: string | undefined): Promise<Door> {
  const arrival = Promise.withResolvers<URLSearchParams>();
  let expected: string | undefined;
  const server = createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://127.0.0.1');
    const ours = pathname === path && expected !== undefined && searchParams.get('state') === expected;
    const refused = searchParams.get('error');
    const text = !ours
      ? 'This is not for you to open.'
      : refused === null
        ? 'You are logged in.'
        : 'You were not let in.';
    res.writeHead(ours ? 200 : 404, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      connection: 'close',
    });
    res.end(page(ours ? `${text} You can close this window.` : text));
    if (ours) res.once('close', () => arrival.resolve(searchParams));
  });
  const listening = async (port: number) => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  const port = wanted === undefined ? 0 : Number(new URL(wanted).port);
  await listening(port).catch(() => listening(0));
  return {
    redirectUri: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    answer(state) {
      expected = state;
      return arrival.promise;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function page(text: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>mcp-gateway</title>
<style>body{font:1.1rem system-ui,sans-serif;margin:20vh auto;max-width:32rem;padding:0 1rem}</style><p>${text}</p></html>`;
}
