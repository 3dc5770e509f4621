import assert from 'node:assert/strict';
import { createHmac, createPublicKey, type JsonWebKey } from 'node:crypto';
import { after, before, test } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair, type JWTHeaderParameters, SignJWT } from 'jose';
import { accessTokens } from '../../src/oauth/access-token.ts';
import type { Grant } from '../../src/oauth/grants.ts';
import { type SigningAlgorithm, signingKeys } from '../../src/oauth/keys.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import { knock, signedIn, type TestGateway, testGateway } from '../support/oauth-client.ts';

/** Behind the guard a POST without a session is 400: whoever gets that far was let in. */
const letIn = 400;

let at: TestGateway;
before(async () => {
  at = await testGateway();
});
after(() => at[Symbol.asyncDispose]());

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;

test('RFC 8725 §3.1, §3.5: neither algorithm nor key is the token’s to choose', async () => {
  const { tokens } = await signedIn(at.url);
  const [header = '', claims = '', signature = ''] = tokens.access_token.split('.');
  const { keys } = (await (await fetch(`${at.url}/jwks`)).json()) as { keys: (JsonWebKey & { kid: string })[] };
  const [key] = keys;
  assert.ok(key);
  const { kid } = key;
  const pem = createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString();
  const der = createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'der' });
  const hmac = (secret: string | Buffer, more: object = {}) => {
    const input = `${encode({ alg: 'HS256', typ: 'at+jwt', kid, ...more })}.${claims}`;
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
  };
  const own = await generateKeyPair('RS256', { extractable: true });
  const attacker = await exportJWK(own.publicKey);
  const signed = (more: Partial<JWTHeaderParameters>) =>
    new SignJWT(decode(claims)).setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid, ...more }).sign(own.privateKey);
  const headed = (more: object) => `${encode({ ...decode(header), ...more })}.${claims}.${signature}`;
  const forged: Record<string, string> = {
    'no alg': `${encode({ typ: 'at+jwt', kid })}.${claims}.`,
    'alg none': `${encode({ alg: 'none', typ: 'at+jwt', kid })}.${claims}.`,
    'alg None': `${encode({ alg: 'None', typ: 'at+jwt', kid })}.${claims}.`,
    'alg none, with a signature': headed({ alg: 'none' }),
    'alg an array': headed({ alg: ['RS256'] }),
    'alg PS256': headed({ alg: 'PS256' }),
    'alg RS512': headed({ alg: 'RS512' }),
    'alg ES256': headed({ alg: 'ES256' }),
    'HS256 with the JWK': hmac(JSON.stringify(key)),
    'HS256 with the PEM': hmac(pem),
    'HS256 with the PEM, trimmed': hmac(pem.trim()),
    'HS256 with the DER': hmac(der),
    'HS256 with the modulus': hmac(Buffer.from(String(key.n), 'base64url')),
    'HS256 with nothing': hmac(''),
    'HS256 with an empty file': hmac('', { kid: '../../../../dev/null' }),
    'a key of its own': await signed({}),
    jwk: await signed({ jwk: attacker }),
    'jwk without kid': await signed({ jwk: attacker, kid: '' }),
    jku: await signed({ jku: 'https://evil.example/jwks.json' }),
    x5u: await signed({ x5u: 'https://evil.example/chain.pem' }),
    x5c: await signed({ x5c: [pem.replace(/-----.*-----|\n/g, '')] }),
    'kid a path': headed({ kid: '../../signing-key' }),
    'kid a prefix': headed({ kid: kid.slice(0, -1) }),
    'kid an object': headed({ kid: { toString: kid } }),
    'kid an array': headed({ kid: [kid] }),
    'kid __proto__': headed({ kid: '__proto__' }),
    'kid a query': headed({ kid: "x' OR '1'='1" }),
    'kid absent': `${encode({ alg: 'RS256', typ: 'at+jwt' })}.${claims}.${signature}`,
    crit: await signed({ crit: ['exp'] }).catch(() => headed({ crit: ['exp'] })),
    'b64 false': headed({ b64: false, crit: ['b64'] }),
    'typ JWT': headed({ typ: 'JWT' }),
    'a header more': headed({ extra: 1 }),
    'signature cut': `${header}.${claims}.${signature.slice(0, -2)}`,
    'signature empty': `${header}.${claims}.`,
    'no signature': `${header}.${claims}`,
    'four parts': `${tokens.access_token}.${signature}`,
    'five parts': `${header}.${claims}.${signature}.${claims}.${signature}`,
    'claims changed': `${header}.${encode({ ...decode(claims), sub: 'password:bob' })}.${signature}`,
    'audience changed': `${header}.${encode({ ...decode(claims), aud: `${at.url}/two/mcp` })}.${signature}`,
    'expiry changed': `${header}.${encode({ ...decode(claims), exp: 9_999_999_999 })}.${signature}`,
    'claims no JSON': `${header}.${Buffer.from('x').toString('base64url')}.${signature}`,
    'header no JSON': `e30x.${claims}.${signature}`,
    'header null': `${encode(null)}.${claims}.${signature}`,
    dots: '..',
    long: `${header}.${'A'.repeat(20_000)}.${signature}`,
  };
  for (const [title, token] of Object.entries(forged)) {
    const response = await knock(at.url, token);
    assert.equal(response.status, 401, title);
    assert.match(response.headers.get('www-authenticate') ?? '', /error="invalid_(token|request)"/, title);
  }
  assert.equal((await knock(at.url, tokens.access_token)).status, letIn);
});

const issuer = 'https://gateway.example';
const grant: Grant = {
  id: 'a.b.c',
  clientId: 'client',
  subject: 'password:alice',
  username: 'alice',
  scope: ['mcp'],
  resources: [`${issuer}/one/mcp`],
  createdAt: 0,
};

for (const alg of ['RS256', 'ES256', 'EdDSA'] as const satisfies SigningAlgorithm[]) {
  test(`RFC 9068 §4: what our own ${alg} key signed for another purpose, issuer or time is no access token`, async () => {
    await using store = memoryStore();
    const keys = signingKeys(store, alg, 1800);
    const tokens = accessTokens({
      issuer,
      keys,
      grants: { find: async (id) => (id === grant.id ? grant : undefined), recent: () => undefined },
    });
    const now = Math.floor(Date.now() / 1000);
    const { key, kid } = await keys.signer(now + 1800);
    const good = {
      iss: issuer,
      sub: grant.subject,
      aud: `${issuer}/one/mcp`,
      client_id: grant.clientId,
      scope: 'mcp',
      username: 'alice',
      jti: `${grant.id}.x`,
      iat: now,
      exp: now + 60,
    };
    const sign = (claims: object, header: Partial<JWTHeaderParameters> = {}, by: CryptoKey = key) =>
      new SignJWT({ ...good, ...claims }).setProtectedHeader({ alg, kid, typ: 'at+jwt', ...header }).sign(by);
    assert.equal((await tokens.verify(await sign({}))).subject, grant.subject);
    assert.equal(
      (await tokens.verify(await sign({}, { typ: 'application/at+jwt' }))).subject,
      grant.subject,
      'RFC 9068 §2.1',
    );
    const other = await generateKeyPair(alg);
    const wrong: Record<string, Promise<string>> = {
      'an ID token': sign({ nonce: 'x' }, { typ: 'JWT' }),
      'no type': sign({}, { typ: undefined as unknown as string }),
      'a logout token': sign({}, { typ: 'logout+jwt' }),
      'another issuer': sign({ iss: 'https://evil.example' }),
      'the issuer with a slash': sign({ iss: `${issuer}/` }),
      'no issuer': sign({ iss: undefined }),
      expired: sign({ exp: now - 1 }),
      'no expiry': sign({ exp: undefined }),
      'not yet': sign({ nbf: now + 3600 }),
      'no audience': sign({ aud: undefined }),
      'no subject': sign({ sub: undefined }),
      'no client': sign({ client_id: undefined }),
      'a client that is no text': sign({ client_id: ['client'] }),
      'no id': sign({ jti: undefined }),
      'an id without a grant': sign({ jti: 'x' }),
      'a grant that has ended': sign({ jti: 'gone.b.c.x' }),
      'another key under our id': sign({}, {}, other.privateKey),
    };
    for (const [title, token] of Object.entries(wrong)) {
      await assert.rejects(tokens.verify(await token), { code: 'invalid_token' }, title);
    }
  });
}

test('RFC 8725 §3.12: keys of one algorithm verify no token of another, though both are published', async () => {
  await using store = memoryStore();
  const now = Math.floor(Date.now() / 1000);
  const [rsa, ec] = [signingKeys(store, 'RS256', 1800), signingKeys(store, 'ES256', 1800)];
  const [first, second] = [await rsa.signer(now + 60), await ec.signer(now + 60)];
  const tokens = accessTokens({ issuer, keys: rsa, grants: { find: async () => grant, recent: () => grant } });
  const crossed = await new SignJWT({ iss: issuer })
    .setProtectedHeader({ alg: 'ES256', kid: first.kid, typ: 'at+jwt' })
    .sign(second.key);
  await assert.rejects(tokens.verify(crossed), { code: 'invalid_token' });
  assert.equal((await rsa.published()).keys.length, 2);
});

test('RFC 7517 §4, §5, RFC 8725 §2.1: a published key has its public members alone', async () => {
  const { keys } = (await (await fetch(`${at.url}/.well-known/jwks.json`)).json()) as { keys: object[] };
  for (const key of keys) assert.deepEqual(Object.keys(key).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
});
