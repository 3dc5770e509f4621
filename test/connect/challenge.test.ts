import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bearerChallenge } from '../../src/connect/challenge.ts';

const challenges: readonly [what: string, header: string | undefined, found: object][] = [
  ['no header', undefined, {}],
  ['the scheme alone', 'Bearer', {}],
  [
    'what our guard sends',
    'Bearer resource_metadata="https://a.example/.well-known/oauth-protected-resource/x/mcp", scope="mcp"',
    { resourceMetadata: 'https://a.example/.well-known/oauth-protected-resource/x/mcp', scope: 'mcp' },
  ],
  [
    'another scheme before it',
    'Basic realm="a, Bearer scope=b", Bearer error="invalid_token"',
    { error: 'invalid_token' },
  ],
  ['another scheme after it', 'bearer scope=one, Basic realm="x"', { scope: 'one' }],
  ['quoted pairs, spaces and capitals', 'BEARER  Scope = "a \\"b\\"" ,error=x', { scope: 'a "b"', error: 'x' }],
  ['another scheme only', 'DPoP error="use_dpop_nonce"', {}],
  ['a word that begins like it', 'BearerToken scope="x"', {}],
];

for (const [what, header, found] of challenges) {
  test(`RFC 9110 §11.6.1: ${what}`, () => assert.deepEqual(bearerChallenge(header), found));
}
