/** GitHub's endpoints for logging in, as far as the web flow of an OAuth app needs them. */

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeGitHub extends AsyncDisposable {
  /** Every code and token that it gave. */
  readonly issued: readonly string[];
  readonly url: string;
  /** Who is logged in at the browser; undefined presses Cancel. */
  person: { id: number; login: string } | undefined;
}

export const app = { clientId: 'Iv1.test', clientSecret: 'the secret of the app' };

export async function fakeGitHub(): Promise<FakeGitHub> {
  const codes = new Map<string, { redirectUri: string; challenge: string; id: number; login: string }>();
  const tokens = new Map<string, { id: number; login: string }>();
  const issued: string[] = [];
  const fake: { person: FakeGitHub['person'] } = { person: { id: 583231, login: 'octocat' } };

  const json = (res: ServerResponse, body: unknown, status = 200) =>
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

  const authorize = (query: URLSearchParams, res: ServerResponse) => {
    const back = new URL(query.get('redirect_uri') ?? '');
    back.searchParams.set('state', query.get('state') ?? '');
    if (fake.person === undefined) back.searchParams.set('error', 'access_denied');
    else {
      const code = randomBytes(8).toString('hex');
      issued.push(code);
      const challenge = query.get('code_challenge') ?? '';
      codes.set(code, { redirectUri: query.get('redirect_uri') ?? '', challenge, ...fake.person });
      back.searchParams.set('code', code);
    }
    res.writeHead(302, { location: back.href }).end();
  };

  const accessToken = async (req: IncomingMessage, res: ServerResponse) => {
    const form = new URLSearchParams(Buffer.concat(await req.toArray()).toString());
    const found = codes.get(form.get('code') ?? '');
    codes.delete(form.get('code') ?? '');
    const verifier = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    const good =
      found !== undefined &&
      form.get('client_id') === app.clientId &&
      form.get('client_secret') === app.clientSecret &&
      form.get('redirect_uri') === found.redirectUri &&
      verifier === found.challenge;
    // GitHub answers 200 in either case.
    if (!good) return json(res, { error: 'bad_verification_code' });
    const token = `gho_${randomBytes(16).toString('hex')}`;
    issued.push(token);
    tokens.set(token, { id: found.id, login: found.login });
    return json(res, { access_token: token, token_type: 'bearer', scope: '' });
  };

  const api = (path: string, req: IncomingMessage, res: ServerResponse) => {
    const person = tokens.get(req.headers.authorization?.replace('Bearer ', '') ?? '');
    if (person === undefined) return json(res, { message: 'Bad credentials' }, 401);
    if (path === '/user') return json(res, person);
    if (path === '/user/emails') {
      return json(res, [{ email: `${person.login}@example.com`, primary: true, verified: true }]);
    }
    const member = path === '/user/memberships/orgs/example' && person.login === 'octocat';
    return member ? json(res, { state: 'active' }) : json(res, { message: 'Not Found' }, 404);
  };

  const server = createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://github');
    if (pathname === '/login/oauth/authorize') return void authorize(searchParams, res);
    if (pathname === '/login/oauth/access_token') return void accessToken(req, res);
    return void api(pathname.replace(/^\/api\/v3/, ''), req, res);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    issued,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get person() {
      return fake.person;
    },
    set person(person) {
      fake.person = person;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
