import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { discover } from '../../src/connect/discovery.ts';

type Documents = Readonly<Record<string, object>>;

const resource = '/.well-known/oauth-protected-resource';
const server = '/.well-known/oauth-authorization-server';
const openid = '/.well-known/openid-configuration';

/** `ORIGIN` in a document stands for where it is. */
async function found(documents: Documents, challenge = {}) {
  const site = createServer((req, res) => {
    const document = documents[req.url ?? ''];
    if (document === undefined) return void res.writeHead(404).end('nothing here');
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify(document).replaceAll('ORIGIN', origin));
  }).listen(0, '127.0.0.1');
  await once(site, 'listening');
  const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  const filled = JSON.parse(JSON.stringify(challenge).replaceAll('ORIGIN', origin)) as object;
  try {
    const discovered = await discover(new URL(`${origin}/files/mcp`), filled);
    return JSON.parse(JSON.stringify(discovered).replaceAll(origin, 'ORIGIN')) as typeof discovered;
  } catch (error) {
    throw new Error((error as Error).message.replaceAll(origin, 'ORIGIN'));
  } finally {
    site.close();
    site.closeAllConnections();
  }
}

const of = (issuer: string) => ({ resource: 'ORIGIN/files/mcp', authorization_servers: [issuer] });
const as = (issuer: string) => ({ issuer, token_endpoint: 'ORIGIN/t', code_challenge_methods_supported: ['S256'] });

const ways: readonly [what: string, documents: Documents, issuer: string, challenge?: object][] = [
  [
    'RFC 9728 §3.1: metadata at the path of the resource',
    { [`${resource}/files/mcp`]: of('ORIGIN'), [server]: as('ORIGIN') },
    'ORIGIN',
  ],
  ['RFC 9728 §3.1: metadata at the root', { [resource]: of('ORIGIN'), [server]: as('ORIGIN') }, 'ORIGIN'],
  [
    'RFC 9728 §5.1: metadata where the challenge says',
    { '/odd': of('ORIGIN'), [server]: as('ORIGIN') },
    'ORIGIN',
    { resourceMetadata: 'ORIGIN/odd' },
  ],
  [
    'a resource that is the whole server',
    { [resource]: { ...of('ORIGIN'), resource: 'ORIGIN/' }, [server]: as('ORIGIN') },
    'ORIGIN',
  ],
  [
    'RFC 8414 §3.1: an issuer with a path',
    { [resource]: of('ORIGIN/t1'), [`${server}/t1`]: as('ORIGIN/t1') },
    'ORIGIN/t1',
  ],
  [
    'OpenID Connect Discovery: inserted',
    { [resource]: of('ORIGIN/t1'), [`${openid}/t1`]: as('ORIGIN/t1') },
    'ORIGIN/t1',
  ],
  [
    'OpenID Connect Discovery: appended',
    { [resource]: of('ORIGIN/t1'), [`/t1${openid}`]: as('ORIGIN/t1') },
    'ORIGIN/t1',
  ],
  ['MCP 2025-03-26: no resource metadata', { [server]: as('ORIGIN') }, 'ORIGIN'],
  ['MCP 2025-03-26: no metadata at all', {}, 'ORIGIN'],
];

for (const [what, documents, issuer, challenge] of ways) {
  test(`${what} leads to the login`, async () =>
    assert.equal((await found(documents, challenge)).server.issuer, issuer));
}

const faults: readonly [what: string, documents: Documents, message: RegExp][] = [
  [
    'RFC 9728 §3.3: metadata of another resource',
    { [resource]: { ...of('ORIGIN'), resource: 'https://b.example' } },
    /not ORIGIN\/files\/mcp/,
  ],
  [
    'RFC 9728 §3.3: metadata of a sibling',
    { [resource]: { ...of('ORIGIN'), resource: 'ORIGIN/file' } },
    /not ORIGIN\/files\/mcp/,
  ],
  ['RFC 9728: nobody to log in at', { [resource]: { resource: 'ORIGIN' } }, /names nobody/],
  [
    'RFC 8414 §3.3: another issuer in the document',
    { [resource]: of('ORIGIN'), [server]: as('https://b.example') },
    /issuer/,
  ],
  ['RFC 8414: an issuer without metadata', { [resource]: of('ORIGIN') }, /says nowhere/],
  ['OAuth 2.1 §1.5: an issuer by plain http elsewhere', { [resource]: of('http://b.example') }, /no https URL/],
  ['RFC 7636: a server that does not say S256', { [resource]: of('ORIGIN'), [server]: { issuer: 'ORIGIN' } }, /PKCE/],
];

for (const [what, documents, message] of faults) {
  test(`${what} is refused`, async () => assert.rejects(found(documents), message));
}
