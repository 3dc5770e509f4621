import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { exportJWK, type GenerateKeyPairResult, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import {
  codeFor,
  people,
  postForm,
  redeem,
  redirectUri,
  register,
  type TestGateway,
  testGateway,
} from '../support/oauth-client.ts';

const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

let at: TestGateway;
let keys: GenerateKeyPairResult;
let others: GenerateKeyPairResult;
let clientId: string;

before(async () => {
  at = await testGateway();
  keys = await generateKeyPair('ES256');
  others = await generateKeyPair('ES256');
  const jwks = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'first' }] };
  clientId = (await register(at.url, { token_endpoint_auth_method: 'private_key_jwt', jwks })).client_id;
});
after(() => at[Symbol.asyncDispose]());

const now = () => Math.floor(Date.now() / 1000);
let counter = 0;

function assertion(claims: JWTPayload = {}, key = keys.privateKey, header: object = {}): Promise<string> {
  const usual = { iss: clientId, sub: clientId, aud: at.url, iat: now(), exp: now() + 60, jti: String(++counter) };
  return new SignJWT({ ...usual, ...claims }).setProtectedHeader({ alg: 'ES256', kid: 'first', ...header }).sign(key);
}

/** The revocation endpoint asks for nothing but the client: 200 is authenticated. */
async function tried(fields: Record<string, string>, headers: Record<string, string> = {}): Promise<[number, string]> {
  const response = await postForm(`${at.url}/revoke`, { token: 'x', ...fields }, headers);
  const text = await response.text();
  return [response.status, text === '' ? '' : JSON.parse(text).error];
}

const signed = async (claims?: JWTPayload, key?: GenerateKeyPairResult['privateKey'], header?: object) => ({
  client_assertion_type: type,
  client_assertion: await assertion(claims, key, header),
});

test('AU-65, RFC 7521 §4.2, RFC 7523 §2.2, §3, OpenID Connect Core §9: an assertion of the client for the issuer or the token endpoint authenticates it', async () => {
  for (const aud of [at.url, `${at.url}/token`, [at.url, 'https://elsewhere.example']]) {
    assert.deepEqual(await tried(await signed({ aud })), [200, '']);
  }
  assert.deepEqual(await tried({ client_id: clientId, ...(await signed()) }), [200, ''], 'client_id says the same');
  const code = await codeFor(at.url, clientId);
  const { status } = await redeem(at.url, clientId, code, await signed());
  assert.equal(status, 200);
});

test('RFC 7523 §3: an assertion that is not ours to take is invalid_client', async () => {
  const wrong: Record<string, Record<string, string>> = {
    'of another key': await signed({}, others.privateKey),
    'for another audience': await signed({ aud: 'https://elsewhere.example' }),
    'without audience': await signed({ aud: undefined as never }),
    'of another issuer': await signed({ iss: 'somebody' }),
    'without issuer': await signed({ iss: undefined as never }),
    expired: await signed({ exp: now() - 60 }),
    'without an end': await signed({ exp: undefined as never }),
    'good for a day': await signed({ exp: now() + 86_400 }),
    'not yet good': await signed({ nbf: now() + 600 }),
    'without a subject': await signed({ sub: undefined as never }),
    'of an unknown subject': await signed({ sub: 'a'.repeat(22), iss: 'a'.repeat(22) }),
    'with a key id nobody knows': await signed({}, keys.privateKey, { kid: 'second' }),
    'that is no JWT': { client_assertion_type: type, client_assertion: 'x.y.z' },
    unsigned: {
      client_assertion_type: type,
      client_assertion: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await assertion()).split('.')[1]}.`,
    },
    missing: { client_id: clientId },
    'missing, a secret instead': { client_id: clientId, client_secret: 'x' },
  };
  for (const [title, fields] of Object.entries(wrong)) {
    assert.deepEqual(await tried(fields), [401, 'invalid_client'], title);
  }
});

test('RFC 8725 §3.1, §3.2: the public key is no shared secret', async () => {
  const secret = new TextEncoder().encode(JSON.stringify(await exportJWK(keys.publicKey)));
  const claims = { iss: clientId, sub: clientId, aud: at.url, exp: now() + 60 };
  const client_assertion = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'first' }).sign(secret);
  assert.deepEqual(await tried({ client_assertion_type: type, client_assertion }), [401, 'invalid_client']);
});

test('RFC 7523 §3: an assertion is good once, also among many at the same moment', async () => {
  for (const claims of [{}, { jti: undefined as never }]) {
    const fields = await signed(claims);
    const answers = await Promise.all(Array.from({ length: 8 }, () => tried(fields)));
    assert.equal(answers.filter(([status]) => status === 200).length, 1);
  }
});

test('OAuth 2.1 §2.4: an assertion stands alone', async () => {
  const basic = { authorization: `Basic ${Buffer.from(`${clientId}:x`).toString('base64')}` };
  assert.deepEqual(await tried(await signed(), basic), [400, 'invalid_request']);
  assert.deepEqual(await tried({ ...(await signed()), client_secret: 'x' }), [400, 'invalid_request']);
  assert.deepEqual(await tried({ ...(await signed()), client_id: 'other' }), [400, 'invalid_request']);
  assert.deepEqual(await tried({ client_assertion: await assertion() }), [400, 'invalid_request']);
  assert.deepEqual(await tried({ ...(await signed()), client_assertion_type: 'x' }), [400, 'invalid_request']);
});

test('a client of another method does not get in by an assertion, and keys have to be somewhere', async () => {
  const { client_id } = await register(at.url, { redirect_uris: [redirectUri], client_name: people.alice });
  assert.deepEqual(await tried(await signed({ iss: client_id, sub: client_id })), [401, 'invalid_client']);
  await assert.rejects(register(at.url, { token_endpoint_auth_method: 'private_key_jwt' }), /invalid_client_metadata/);
});
