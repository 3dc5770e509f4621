import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDocumentUrl, metadataDocuments } from '../../src/oauth/metadata-document.ts';
import { StrangerFailed, type StrangerFetch } from '../../src/oauth/stranger-fetch.ts';

const id = 'https://app.example/client.json';
const document = { client_id: id, client_name: 'App', redirect_uris: ['https://app.example/callback'] };

test('AU-60, Client ID Metadata Documents §3: an id is an https URL with a path, spelled in one way', () => {
  for (const good of [
    id,
    'https://app.example:8443/a/b',
    'https://app.example/x?v=1',
    'https://xn--bcher-kva.example/c',
  ]) {
    assert.equal(isDocumentUrl(good), true, good);
  }
  const bad = [
    'http://app.example/client.json',
    'https://app.example',
    'https://app.example/',
    'https://app.example/#f',
    'https://app.example/c#f',
    'https://user@app.example/c',
    'https://user:pw@app.example/c',
    'https://app.example/a/../c',
    'https://app.example/a/./c',
    'https://app.example/a/%2e%2e/c',
    'https://APP.example/c',
    'HTTPS://app.example/c',
    'https://app.example:443/c',
    'https://app.example\\c/d',
    'https://app.example/c d',
    'https:///c',
    'https://?/c',
    `https://app.example/${'c'.repeat(2048)}`,
    'ftp://app.example/c',
    '',
  ];
  for (const each of bad) assert.equal(isDocumentUrl(each), false, each);
});

const serving =
  (json: unknown, freshFor = 60): StrangerFetch =>
  async () => ({ json, freshFor });

test('AU-61: a document speaks for its own URL, has a name and redirect URIs', async () => {
  const client = await metadataDocuments(serving(document)).find(id);
  assert.equal(client.id, id);
  assert.equal(client.kind, 'metadata-document');
  assert.equal(client.metadata.token_endpoint_auth_method, 'none');
  for (const [title, json] of Object.entries({
    'of another URL': { ...document, client_id: 'https://app.example/other.json' },
    'of a URL that is the same but for its spelling': { ...document, client_id: 'https://APP.example/client.json' },
    'without client_id': { ...document, client_id: undefined },
    'without a name': { ...document, client_name: undefined },
    'without redirect URIs': { ...document, redirect_uris: [] },
    'with a redirect URI that runs': { ...document, redirect_uris: ['javascript:alert(1)'] },
    'with a secret': { ...document, client_secret: 'x' },
    'with a secret method': { ...document, token_endpoint_auth_method: 'client_secret_basic' },
    'with keys nowhere': { ...document, token_endpoint_auth_method: 'private_key_jwt' },
    'that is a list': [document],
    'that is null': null,
  })) {
    await assert.rejects(metadataDocuments(serving(json)).find(id), { code: 'invalid_client' }, title);
  }
});

test('AU-64: a document is kept while it is fresh, asked for once by many, and a failure is not kept', async () => {
  let asked = 0;
  let failing = true;
  const documents = metadataDocuments(async () => {
    asked += 1;
    if (failing) throw new StrangerFailed('answered 500 instead of 200', true);
    return { json: document, freshFor: 60 };
  });
  await assert.rejects(documents.find(id), { code: 'invalid_client' });
  failing = false;
  await Promise.all([documents.find(id), documents.find(id), documents.find(id)]);
  await documents.find(id);
  assert.equal(asked, 2);

  let stale = 0;
  const unkept = metadataDocuments(async () => {
    stale += 1;
    return { json: document, freshFor: 0 };
  });
  await unkept.find(id);
  await unkept.find(id);
  assert.equal(stale, 2, 'no-store');
});

test('a document whose host is down is temporarily_unavailable, so that the client keeps what it has', async () => {
  const documents = metadataDocuments(async () => {
    throw new StrangerFailed('could not be fetched from the public internet', false);
  });
  await assert.rejects(documents.find(id), { code: 'temporarily_unavailable' });
});
