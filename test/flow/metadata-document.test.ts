import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { exportJWK, generateKeyPair } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { browser } from '../support/browser.ts';
import { type HttpsSite, httpsSite } from '../support/https-site.ts';
import { authorizationUrl, knock, people, pkce, redirectUri, testGateway } from '../support/oauth-client.ts';
import { type Memory, oauthProvider } from '../support/oauth-provider.ts';

/** Behind the guard a POST without a session is 400: whoever gets that far was let in. */
const letIn = 400;
const person = { username: 'alice', password: people.alice };

interface Published extends HttpsSite {
  readonly clientId: string;
  readonly asked: readonly string[];
}

/** A client's own site: its document at /client.json, its keys at /keys.json. */
async function published(metadata: object, keys: readonly object[] = []): Promise<Published> {
  const asked: string[] = [];
  const site = await httpsSite((req, res) => {
    asked.push(req.url ?? '');
    const clientId = `https://${req.headers.host}/client.json`;
    const jwks_uri = { jwks_uri: `https://${req.headers.host}/keys.json` };
    const document = { client_id: clientId, client_name: 'A published client', redirect_uris: [redirectUri] };
    const body = req.url === '/keys.json' ? { keys } : { ...document, ...(keys.length > 0 && jwks_uri), ...metadata };
    res.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'max-age=60' }).end(JSON.stringify(body));
  });
  return { ...site, clientId: `${site.url}/client.json`, asked };
}

test('a client whose id is its document logs in without registration; the page names the host that was verified', async () => {
  await using at = await testGateway();
  await using site = await published({});
  const screen = browser();
  const { challenge } = pkce();
  const page = await screen.open(authorizationUrl(at.url, site.clientId, challenge));
  assert.match(page.text, new RegExp(`verified: localhost:${site.port}`));
  assert.match(page.text, /Any program on your computer can pass itself off as this client/);

  const issuer = new URL(at.url);
  const options = { execute: [openid.allowInsecureRequests] };
  const config = await openid.discovery(issuer, site.clientId, undefined, openid.None(), options);
  assert.equal(config.serverMetadata().client_id_metadata_document_supported, true);
  const pkceCodeVerifier = openid.randomPKCECodeVerifier();
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    resource: `${at.url}/one/mcp`,
  });
  const back = await screen.authorize(url, person);
  const tokens = await openid.authorizationCodeGrant(config, back, { pkceCodeVerifier });
  assert.equal((await knock(at.url, tokens.access_token)).status, letIn);
  const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '');
  assert.equal((await knock(at.url, refreshed.access_token)).status, letIn);
  assert.deepEqual(site.asked, ['/client.json'], 'kept while it is fresh');
});

test('oauth4webapi proves itself by private_key_jwt with the keys that its document names', async () => {
  await using at = await testGateway();
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1' };
  await using site = await published({ token_endpoint_auth_method: 'private_key_jwt' }, [jwk]);
  const insecure = { [oauth.allowInsecureRequests]: true };
  const issuer = new URL(at.url);
  const found = await oauth.discoveryRequest(issuer, { ...insecure, algorithm: 'oauth2' });
  const server = await oauth.processDiscoveryResponse(issuer, found);
  const client = { client_id: site.clientId };
  const proof = oauth.PrivateKeyJwt({ key: privateKey, kid: 'k1' });

  const { verifier, challenge } = pkce();
  const url = authorizationUrl(at.url, site.clientId, challenge);
  const callback = oauth.validateAuthResponse(server, client, await browser().authorize(url, person), 'xyz');
  const redeem = (authentication: oauth.ClientAuth) =>
    oauth.authorizationCodeGrantRequest(server, client, authentication, callback, redirectUri, verifier, insecure);
  const without = await redeem(oauth.None());
  assert.equal(without.status, 401, 'the method declared is the one required');
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, await redeem(proof));
  assert.equal((await knock(at.url, tokens.access_token)).status, letIn);
  const again = await oauth.refreshTokenGrantRequest(server, client, proof, tokens.refresh_token ?? '', insecure);
  const refreshed = await oauth.processRefreshTokenResponse(server, client, again);
  assert.equal((await knock(at.url, refreshed.access_token)).status, letIn);
  assert.deepEqual(site.asked, ['/client.json', '/keys.json']);
});

test('the SDK v2 client names itself by its document where we say that we take one', async () => {
  await using at = await testGateway();
  await using site = await published({ redirect_uris: ['http://127.0.0.1:33418/callback'] });
  const memory: Memory = {};
  const authProvider = { ...oauthProvider(person, memory), clientMetadataUrl: site.clientId };
  const transport = new StreamableHTTPClientTransport(new URL('/one/mcp', at.url), { authProvider });
  await assert.rejects(new Client({ name: 'flow', version: '1' }).connect(transport), /Unauthorized/);
  assert.equal(memory.client?.client_id, site.clientId);
  await transport.finishAuth(memory.callback?.searchParams ?? new URLSearchParams());
  assert.equal((await knock(at.url, memory.tokens?.access_token)).status, letIn);
});

test('MCP, security best practices: a document that cannot be had is told to the person, and nothing is redirected', async () => {
  await using at = await testGateway();
  await using site = await published({ client_id: 'https://elsewhere.example/client.json' });
  for (const [id, status] of [
    [site.clientId, 400],
    ['https://localhost:1/client.json', 503],
    ['https://10.0.0.1/client.json', 503],
  ] as const) {
    const page = await browser().open(authorizationUrl(at.url, id, pkce().challenge));
    assert.equal(page.status, status, id);
    assert.match(page.text, /client metadata document/);
  }
});

test('a gateway that takes no documents neither says so nor asks for one', async () => {
  await using at = await testGateway({ auth: { clientIdMetadataDocuments: false } });
  await using site = await published({});
  const page = await browser().open(authorizationUrl(at.url, site.clientId, pkce().challenge));
  assert.equal(page.status, 400);
  assert.deepEqual(site.asked, []);
  const metadata = await (await fetch(`${at.url}/.well-known/oauth-authorization-server`)).json();
  assert.equal((metadata as Record<string, unknown>).client_id_metadata_document_supported, false);
});
