/** An OpenID Connect provider with one person at the browser, that can be made to lie in every way it could. */

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';

export interface FakeOidc extends AsyncDisposable {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** What the ID token says beside what the protocol asks for; undefined at `sub` presses Cancel. */
  person: JWTPayload;
  /** What userinfo says. */
  userinfo: Record<string, unknown>;
  /** Changes made to the claims of the next ID tokens, the header, or the signing. */
  lie: {
    claims?: JWTPayload;
    alg?: 'none' | 'HS256' | 'other key';
    kid?: string;
    iss?: string | null;
    issuer?: string;
  };
  /** Signs with a new key from now on. */
  rotate(): Promise<void>;
  /** Every authorization request it got. */
  readonly asked: URLSearchParams[];
}

export async function fakeOidc(): Promise<FakeOidc> {
  const clientId = 'gateway at the provider';
  const clientSecret = 'a secret with : and %';
  const codes = new Map<string, { redirectUri: string; challenge: string; nonce: string }>();
  const keys: { kid: string; privateKey: CryptoKey; publicKey: CryptoKey }[] = [];
  const rotate = async () => {
    keys.unshift({ kid: randomBytes(4).toString('hex'), ...(await generateKeyPair('RS256')) });
  };
  await rotate();
  const asked: URLSearchParams[] = [];
  let issuer = '';

  const json = (res: ServerResponse, body: unknown, status = 200) =>
    void res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

  const authorize = (query: URLSearchParams, res: ServerResponse) => {
    asked.push(query);
    const redirectUri = query.get('redirect_uri') ?? '';
    const back = new URL(redirectUri);
    back.searchParams.set('state', query.get('state') ?? '');
    const iss = fake.lie.iss === undefined ? issuer : fake.lie.iss;
    if (iss !== null) back.searchParams.set('iss', iss);
    if (fake.person.sub === undefined) back.searchParams.set('error', 'access_denied');
    else {
      const code = randomBytes(8).toString('hex');
      codes.set(code, { redirectUri, challenge: query.get('code_challenge') ?? '', nonce: query.get('nonce') ?? '' });
      back.searchParams.set('code', code);
    }
    res.writeHead(302, { location: back.href }).end();
  };

  const token = async (req: IncomingMessage, res: ServerResponse) => {
    const form = new URLSearchParams(Buffer.concat(await req.toArray()).toString());
    const found = codes.get(form.get('code') ?? '');
    codes.delete(form.get('code') ?? '');
    const basic = [clientId, clientSecret].map(encodeURIComponent).join(':');
    const verifier = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    const good =
      found !== undefined &&
      req.headers.authorization === `Basic ${Buffer.from(basic).toString('base64')}` &&
      form.get('redirect_uri') === found.redirectUri &&
      verifier === found.challenge;
    if (!good) return json(res, { error: 'invalid_grant' }, 400);
    return json(res, { access_token: 'at', token_type: 'Bearer', id_token: await idToken(found.nonce) });
  };

  const idToken = async (nonce: string) => {
    const now = Math.floor(Date.now() / 1000);
    const all = { iss: issuer, aud: clientId, iat: now, exp: now + 300, nonce, ...fake.person, ...fake.lie.claims };
    const payload: JWTPayload = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    const [key] = keys;
    if (key === undefined || fake.lie.alg === 'none') return new UnsecuredJWT(payload).encode();
    const kid = fake.lie.kid ?? key.kid;
    if (fake.lie.alg === 'HS256')
      return new SignJWT(payload).setProtectedHeader({ alg: 'HS256', kid }).sign(Buffer.from(clientSecret));
    const by = fake.lie.alg === 'other key' ? (await generateKeyPair('RS256')).privateKey : key.privateKey;
    return new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid }).sign(by);
  };

  const server = createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://provider');
    if (pathname === '/.well-known/openid-configuration') {
      return json(res, {
        issuer: fake.lie.issuer ?? issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        userinfo_endpoint: `${issuer}/userinfo`,
        jwks_uri: `${issuer}/jwks`,
        id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
        authorization_response_iss_parameter_supported: true,
      });
    }
    if (pathname === '/jwks') {
      return void Promise.all(
        keys.map(async ({ kid, publicKey }) => ({ ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' })),
      ).then((all) => json(res, { keys: all }));
    }
    if (pathname === '/authorize') return authorize(searchParams, res);
    if (pathname === '/token') return void token(req, res);
    if (pathname === '/userinfo') return json(res, req.headers.authorization === 'Bearer at' ? fake.userinfo : {});
    return json(res, {}, 404);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fake: FakeOidc = {
    issuer,
    clientId,
    clientSecret,
    person: { sub: 'u-1', email: 'Ada@Example.org', email_verified: true },
    userinfo: {},
    lie: {},
    rotate,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}
