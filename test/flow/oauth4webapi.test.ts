import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as oauth from 'oauth4webapi';
import { browser } from '../support/browser.ts';
import { knock, people, redirectUri, type TestGateway, testGateway } from '../support/oauth-client.ts';

const insecure = { [oauth.allowInsecureRequests]: true };
/** Behind the guard a POST without a session is 400: whoever gets that far was let in. */
const letIn = 400;
const person = { username: 'alice', password: people.alice };

interface Session {
  readonly server: oauth.AuthorizationServer;
  readonly client: oauth.Client;
  readonly authentication: oauth.ClientAuth;
}

async function discover(at: TestGateway, algorithm: 'oidc' | 'oauth2' = 'oauth2'): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(at.url);
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { ...insecure, algorithm }));
}

async function registered(at: TestGateway, method: string): Promise<Session> {
  const server = await discover(at);
  const answer = await oauth.dynamicClientRegistrationRequest(
    server,
    { client_name: 'oauth4webapi', redirect_uris: [redirectUri], token_endpoint_auth_method: method },
    insecure,
  );
  const client = await oauth.processDynamicClientRegistrationResponse(answer);
  const secret = typeof client.client_secret === 'string' ? client.client_secret : '';
  const authentication = {
    none: oauth.None,
    client_secret_basic: () => oauth.ClientSecretBasic(secret),
    client_secret_post: () => oauth.ClientSecretPost(secret),
  }[method];
  assert.ok(authentication);
  return { server, client, authentication: authentication() };
}

/** The authorization code grant as the library does it, its own checks of `state` and `iss` included. */
async function logIn({ server, client, authentication }: Session, resource: string) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const url = new URL(server.authorization_endpoint ?? '');
  url.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: redirectUri,
    response_type: 'code',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    resource,
  }).toString();
  const callback = oauth.validateAuthResponse(server, client, await browser().authorize(url, person), state);
  const answer = await oauth.authorizationCodeGrantRequest(
    server,
    client,
    authentication,
    callback,
    redirectUri,
    verifier,
    { ...insecure, additionalParameters: { resource } },
  );
  return oauth.processAuthorizationCodeResponse(server, client, answer);
}

async function introspect({ server, client, authentication }: Session, token: string) {
  const answer = await oauth.introspectionRequest(server, client, authentication, token, insecure);
  return oauth.processIntrospectionResponse(server, client, answer);
}

for (const method of ['none', 'client_secret_basic', 'client_secret_post']) {
  test(`oauth4webapi with ${method}: registration, code, refresh, introspection and revocation`, async () => {
    await using at = await testGateway();
    const session = await registered(at, method);
    const { server, client, authentication } = session;
    const resource = `${at.url}/one/mcp`;
    const tokens = await logIn(session, resource);
    assert.equal((await knock(at.url, tokens.access_token)).status, letIn);

    const refreshToken = tokens.refresh_token ?? '';
    const answer = await oauth.refreshTokenGrantRequest(server, client, authentication, refreshToken, insecure);
    const refreshed = await oauth.processRefreshTokenResponse(server, client, answer);
    assert.notEqual(refreshed.refresh_token, refreshToken);
    assert.equal((await knock(at.url, refreshed.access_token)).status, letIn);

    const told = await introspect(session, refreshed.access_token);
    assert.equal(told.active, true);
    assert.equal(told.aud, resource);
    assert.equal(told.client_id, client.client_id);

    const given = await oauth.revocationRequest(
      server,
      client,
      authentication,
      refreshed.refresh_token ?? '',
      insecure,
    );
    await oauth.processRevocationResponse(given);
    assert.equal((await introspect(session, refreshed.access_token)).active, false);
    assert.equal((await knock(at.url, refreshed.access_token)).status, 401);
  });
}

test('RFC 8414 §3, OpenID Connect Discovery §4: oauth4webapi finds the same server by either name', async () => {
  await using at = await testGateway();
  assert.deepEqual(await discover(at, 'oidc'), await discover(at));
});

test('RFC 9728 §3.3: oauth4webapi accepts the document of each resource, and its challenge leads to it', async () => {
  await using at = await testGateway();
  for (const name of ['one', 'two']) {
    const resource = new URL(`/${name}/mcp`, at.url);
    const answer = await oauth.resourceDiscoveryRequest(resource, insecure);
    const document = await oauth.processResourceDiscoveryResponse(resource, answer);
    assert.deepEqual(document.authorization_servers, [at.url]);
  }
});

for (const algorithm of ['RS256', 'ES256', 'EdDSA'] as const) {
  test(`RFC 9068 §4: oauth4webapi as a resource server accepts our ${algorithm} tokens for their audience alone`, async () => {
    await using at = await testGateway({ auth: { signingAlgorithm: algorithm } });
    const session = await registered(at, 'none');
    const { access_token } = await logIn(session, `${at.url}/one/mcp`);
    const call = () => new Request(`${at.url}/one/mcp`, { headers: { authorization: `Bearer ${access_token}` } });
    const claims = await oauth.validateJwtAccessToken(session.server, call(), `${at.url}/one/mcp`, insecure);
    assert.equal(claims.client_id, session.client.client_id);
    await assert.rejects(oauth.validateJwtAccessToken(session.server, call(), `${at.url}/two/mcp`, insecure));
  });
}
