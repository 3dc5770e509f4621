import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import * as client from 'openid-client';
import { browser, type Person } from '../support/browser.ts';
import { knock, people, redirectUri, type TestGateway, testGateway } from '../support/oauth-client.ts';

/** Behind the guard a POST without a session is 400: whoever gets that far was let in. */
const letIn = 400;
const alice = { username: 'alice', password: people.alice };
const insecure = { execute: [client.allowInsecureRequests] };

/** By their names at registration; the secret is the one that the registration answers. */
const methods = {
  none: client.None,
  client_secret_basic: () => client.ClientSecretBasic(),
  client_secret_post: () => client.ClientSecretPost(),
};

function registered(at: TestGateway, method: keyof typeof methods): Promise<client.Configuration> {
  const metadata = { redirect_uris: [redirectUri], token_endpoint_auth_method: method };
  return client.dynamicClientRegistration(new URL(at.url), metadata, methods[method](), insecure);
}

/** The URL at the redirect URI, and what the library has to remember until then. */
async function atTheClient(
  config: client.Configuration,
  parameters: Record<string, string>,
  person: Person = alice,
): Promise<{ back: URL; checks: client.AuthorizationCodeGrantChecks }> {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    ...parameters,
  });
  return { back: await browser().authorize(url, person), checks: { pkceCodeVerifier, expectedState } };
}

for (const method of Object.keys(methods) as (keyof typeof methods)[]) {
  test(`openid-client with ${method}: registration, code, refresh, introspection and revocation`, async () => {
    await using at = await testGateway();
    const config = await registered(at, method);
    const { back, checks } = await atTheClient(config, { resource: `${at.url}/one/mcp` });
    const tokens = await client.authorizationCodeGrant(config, back, checks);
    assert.equal((await knock(at.url, tokens.access_token)).status, letIn);

    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token ?? '');
    assert.equal((await knock(at.url, refreshed.access_token)).status, letIn);
    assert.equal((await client.tokenIntrospection(config, refreshed.access_token)).active, true);
    await client.tokenRevocation(config, refreshed.access_token);
    assert.equal((await client.tokenIntrospection(config, refreshed.access_token)).active, false);
    assert.equal((await knock(at.url, tokens.access_token)).status, 401, 'the grant ended with its token');
  });
}

test('openid-client with private_key_jwt and keys of its own: code and refresh', async () => {
  await using at = await testGateway();
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'mine' }] };
  const metadata = { redirect_uris: [redirectUri], token_endpoint_auth_method: 'private_key_jwt', jwks };
  const proof = client.PrivateKeyJwt({ key: privateKey, kid: 'mine' });
  const sent = metadata as unknown as Partial<client.ClientMetadata>;
  const config = await client.dynamicClientRegistration(new URL(at.url), sent, proof, insecure);
  const { back, checks } = await atTheClient(config, { resource: `${at.url}/one/mcp` });
  const tokens = await client.authorizationCodeGrant(config, back, checks);
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token ?? '');
  assert.equal((await knock(at.url, refreshed.access_token)).status, letIn);
});

test('RFC 9207 §2.4: openid-client refuses a callback of ours from which iss was taken, since we promise it', async () => {
  await using at = await testGateway();
  const config = await registered(at, 'none');
  const { back, checks } = await atTheClient(config, {});
  back.searchParams.delete('iss');
  await assert.rejects(client.authorizationCodeGrant(config, back, checks), ({ cause }) => {
    assert.match(String(cause), /"iss" \(issuer\) missing/);
    return true;
  });
});

test('RFC 6749 §4.1.2.1: a denial reaches openid-client as access_denied', async () => {
  await using at = await testGateway();
  const config = await registered(at, 'none');
  const { back, checks } = await atTheClient(config, {}, { ...alice, deny: true });
  await assert.rejects(client.authorizationCodeGrant(config, back, checks), { error: 'access_denied' });
});

test('RFC 8707 §2: several resources are asked for at once, and each token is narrowed to one of them', async () => {
  await using at = await testGateway();
  const config = await registered(at, 'none');
  const [one, two] = [`${at.url}/one/mcp`, `${at.url}/two/mcp`];
  const verifier = client.randomPKCECodeVerifier();
  const asked = new URLSearchParams({
    redirect_uri: redirectUri,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  for (const resource of [one, two]) asked.append('resource', resource);
  const back = await browser().authorize(client.buildAuthorizationUrl(config, asked), alice);
  const tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier }, { resource: one });
  assert.equal((await knock(at.url, tokens.access_token, 'one')).status, letIn);
  assert.equal((await knock(at.url, tokens.access_token, 'two')).status, 401);

  const other = await client.refreshTokenGrant(config, tokens.refresh_token ?? '', { resource: two });
  assert.equal((await knock(at.url, other.access_token, 'one')).status, 401);
  assert.equal((await knock(at.url, other.access_token, 'two')).status, letIn);
  const both = await client.refreshTokenGrant(config, other.refresh_token ?? '');
  for (const name of ['one', 'two']) assert.equal((await knock(at.url, both.access_token, name)).status, letIn);
});
