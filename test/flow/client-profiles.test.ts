import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browser } from '../support/browser.ts';
import { knock, people, pkce, postJson, type TestGateway, type Tokens, testGateway } from '../support/oauth-client.ts';

/** Behind the guard a POST without a session is 400: whoever gets that far was let in. */
const letIn = 400;

interface Profile {
  /** As its client posts it to /register. */
  readonly registration: object;
  /** The redirect URI of the request, where it is not the first one registered. */
  readonly redirectUri?: string;
  /** Besides what PKCE needs; by default one resource and a state. Names may repeat. */
  readonly asks?: (url: string) => readonly (readonly [string, string])[];
  /** How it is at the token endpoint. */
  readonly tokenType?: string;
  readonly redeems?: (url: string) => Readonly<Record<string, string>>;
  readonly secretBy?: 'basic' | 'post';
}

const resource = (url: string) => [['resource', `${url}/one/mcp`]] as const;
const pair = ['authorization_code', 'refresh_token'];

/** What clients in use really send, one oddity or more each. */
const profiles: Readonly<Record<string, Profile>> = {
  'Claude.ai, as a public client': {
    registration: {
      client_name: 'Claude',
      redirect_uris: ['https://claude.ai/api/mcp/auth_callback'],
      grant_types: pair,
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      scope: 'mcp',
    },
    asks: (url) => [...resource(url), ['scope', 'mcp'], ['state', 's'.repeat(500)]],
    redeems: (url) => ({ resource: `${url}/one/mcp` }),
  },
  'Claude.ai, with a secret in the body': {
    registration: {
      client_name: 'Claude',
      redirect_uris: ['https://claude.ai/api/mcp/auth_callback', 'https://claude.com/api/mcp/auth_callback'],
      grant_types: pair,
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_post',
    },
    redirectUri: 'https://claude.com/api/mcp/auth_callback',
    secretBy: 'post',
    tokenType: 'application/x-www-form-urlencoded; charset=utf-8',
  },
  'Claude Code: a slash after the resource, any loopback port, every scope it can think of': {
    registration: {
      client_name: 'Claude Code (everything)',
      redirect_uris: ['http://localhost:54212/callback'],
      grant_types: pair,
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    redirectUri: 'http://localhost:61999/callback',
    asks: (url) => [
      ['resource', `${url}/one/mcp/`],
      ['scope', 'openid profile email offline_access mcp unheard:of'],
      ['state', 'x'],
    ],
    redeems: (url) => ({ resource: `${url}/one/mcp/` }),
  },
  'ChatGPT: a callback per connector, OpenID Connect scopes and no resource at the token endpoint': {
    registration: {
      client_name: 'ChatGPT',
      redirect_uris: ['https://chatgpt.com/connector/oauth/pE4f8KqXz0aB'],
      grant_types: pair,
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
    },
    asks: (url) => [
      ...resource(url),
      ['scope', 'openid offline_access'],
      ['state', 'a'],
      ['nonce', 'n'],
      ['prompt', 'consent'],
    ],
    secretBy: 'basic',
  },
  'VS Code: device grant asked for, a bare loopback origin registered and another port used': {
    registration: {
      client_name: 'Visual Studio Code',
      client_uri: 'https://code.visualstudio.com',
      grant_types: [...pair, 'urn:ietf:params:oauth:grant-type:device_code'],
      response_types: ['code'],
      redirect_uris: [
        'https://insiders.vscode.dev/redirect',
        'https://vscode.dev/redirect',
        'http://127.0.0.1/',
        'http://127.0.0.1:33418/',
      ],
      token_endpoint_auth_method: 'none',
      application_type: 'native',
    },
    redirectUri: 'http://127.0.0.1:51999',
  },
  'Cursor: a scheme of its own beside a page and a loopback port': {
    registration: {
      client_name: 'Cursor',
      redirect_uris: [
        'cursor://anysphere.cursor-mcp/oauth/callback',
        'https://www.cursor.com/agents/mcp/oauth/callback',
        'http://localhost:8787/callback',
      ],
      grant_types: pair,
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
  },
  'Gemini CLI: members nobody knows, an empty scope': {
    registration: {
      client_name: 'Gemini CLI MCP Client',
      redirect_uris: ['http://localhost:7777/oauth/callback'],
      grant_types: pair,
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      code_challenge_method: ['S256'],
      scope: '',
    },
    asks: (url) => [...resource(url), ['scope', ''], ['state', 'x'], ['access_type', 'offline']],
  },
  'Codex: 127.0.0.1 with a path of its own, and no state': {
    registration: {
      client_name: 'Codex',
      redirect_uris: ['http://127.0.0.1:1455/callback/a1b2'],
      token_endpoint_auth_method: 'none',
    },
    redirectUri: 'http://127.0.0.1:40001/callback/a1b2',
    asks: resource,
  },
  'a client that sends null and empty members for what it does not have': {
    registration: {
      client_name: '',
      client_uri: null,
      logo_uri: '',
      contacts: null,
      jwks: null,
      jwks_uri: null,
      redirect_uris: ['http://localhost:6274/oauth/callback'],
      token_endpoint_auth_method: 'none',
      software_id: null,
    },
  },
  'a client that names neither its method nor its grants, and authenticates as the answer says': {
    registration: { redirect_uris: ['https://chat.example.com/api/mcp/one/oauth/callback?tenant=7'] },
    secretBy: 'basic',
  },
  'a client older than resource indicators': {
    registration: { redirect_uris: ['http://localhost/callback'], token_endpoint_auth_method: 'none' },
    redirectUri: 'http://localhost:3334/callback',
    asks: () => [['state', 'x']],
  },
  'a client that writes the host in capitals, names its audience and asks twice for two servers': {
    registration: { redirect_uris: ['com.example.app:/oauth'], token_endpoint_auth_method: 'none' },
    asks: (url) => [
      ['resource', `${url.replace('http', 'HTTP')}/one/mcp`],
      ['resource', `${url}/two/mcp`],
      ['audience', 'https://api.example.com'],
      ['state', 'x'],
    ],
    redeems: (url) => ({ resource: `${url}/one/mcp` }),
  },
  'a client that means the whole gateway by its origin': {
    registration: { redirect_uris: ['http://127.0.0.1:8000/cb'], token_endpoint_auth_method: 'none' },
    asks: (url) => [
      ['resource', `${url}/`],
      ['state', 'x'],
    ],
    redeems: (url) => ({ resource: url }),
  },
};

let at: TestGateway;
before(async () => {
  at = await testGateway();
});
after(() => at[Symbol.asyncDispose]());

async function answerOf(response: Response): Promise<Tokens> {
  const body = (await response.json()) as Tokens;
  assert.equal(response.status, 200, JSON.stringify(body));
  return body;
}

for (const [name, profile] of Object.entries(profiles)) {
  test(`${name}: registers, is allowed, and refreshes`, async () => {
    const { url } = at;
    const registered = await postJson(`${url}/register`, profile.registration, {
      'content-type': 'application/json; charset=UTF-8',
    });
    const client = (await registered.json()) as Record<string, string> & { redirect_uris: string[] };
    assert.equal(registered.status, 201, JSON.stringify(client));
    assert.ok(!Object.values(client).includes(null as never), 'a strict client refuses null');
    const redirectUri = profile.redirectUri ?? client.redirect_uris[0] ?? '';
    const { verifier, challenge } = pkce();
    const asks = profile.asks?.(url) ?? [...resource(url), ['state', 'x']];
    const query = new URLSearchParams([
      ['response_type', 'code'],
      ['client_id', client.client_id ?? ''],
      ['redirect_uri', redirectUri],
      ['code_challenge', challenge],
      ['code_challenge_method', 'S256'],
      ...asks.map(([key, value]): [string, string] => [key, value]),
    ]);
    const back = await browser().authorize(`${url}/authorize?${query}`, { username: 'alice', password: people.alice });
    assert.ok(back.href.startsWith(redirectUri), back.href);
    assert.equal(back.searchParams.get('state') ?? undefined, asks.find(([key]) => key === 'state')?.[1]);
    assert.equal(back.searchParams.get('iss'), url);

    const id = client.client_id ?? '';
    const secret = client.client_secret ?? '';
    const post = (fields: Record<string, string>) =>
      fetch(`${url}/token`, {
        method: 'POST',
        headers: {
          'content-type': profile.tokenType ?? 'application/x-www-form-urlencoded',
          ...(profile.secretBy === 'basic' && {
            authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
          }),
        },
        body: new URLSearchParams({
          ...fields,
          ...(profile.secretBy !== 'basic' && { client_id: id }),
          ...(profile.secretBy === 'post' && { client_secret: secret }),
        }).toString(),
      });
    const tokens = await answerOf(
      await post({
        grant_type: 'authorization_code',
        code: back.searchParams.get('code') ?? '',
        code_verifier: verifier,
        redirect_uri: redirectUri,
        ...profile.redeems?.(url),
      }),
    );
    assert.equal((await knock(url, tokens.access_token)).status, letIn);
    // Two nodes of one client refresh at once with the same token; both go on.
    const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token, ...profile.redeems?.(url) };
    for (const response of await Promise.all([
      post(refresh),
      post({ ...refresh, scope: 'mcp offline_access unheard:of' }),
    ])) {
      assert.equal((await knock(url, (await answerOf(response)).access_token)).status, letIn);
    }
  });
}

/** Clients look in many places; a web page among them can read neither answer nor status without CORS. */
const probes: readonly (readonly [method: string, path: string, status: number])[] = [
  ['GET', '/.well-known/oauth-protected-resource', 200],
  ['GET', '/.well-known/oauth-protected-resource/one/mcp', 200],
  ['GET', '/.well-known/oauth-protected-resource/one/mcp/', 200],
  ['HEAD', '/.well-known/oauth-protected-resource/one/mcp', 200],
  ['GET', '/.well-known/oauth-protected-resource/none/mcp', 404],
  ['GET', '/.well-known/oauth-authorization-server', 200],
  ['HEAD', '/.well-known/oauth-authorization-server', 200],
  ['GET', '/.well-known/openid-configuration', 200],
  // RFC 8414 §3.1: these would be of issuers with a path, which we are not; a 200 would fail the client's check.
  ['GET', '/.well-known/oauth-authorization-server/one/mcp', 404],
  ['GET', '/.well-known/openid-configuration/one/mcp', 404],
  ['GET', '/token', 405],
  ['GET', '/register', 405],
  ['POST', '/one/mcp', 401],
  ['POST', '/one/mcp/', 401],
  ['GET', '/one/mcp', 401],
  ['HEAD', '/one/mcp', 401],
  ['DELETE', '/one/mcp', 401],
];

for (const [method, path, status] of probes) {
  test(`a page may read that ${method} ${path} is ${status}`, async () => {
    const origin = 'http://localhost:6274';
    const response = await fetch(`${at.url}${path}`, { method, headers: { origin }, redirect: 'manual' });
    const body = await response.text();
    assert.equal(response.status, status);
    assert.ok(['*', origin].includes(response.headers.get('access-control-allow-origin') ?? ''), 'no CORS');
    assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
    if (method !== 'HEAD') assert.ok(JSON.parse(body));
    if (status === 401) {
      assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer resource_metadata="[^"]+\/one\/mcp"/);
      assert.match(response.headers.get('access-control-expose-headers') ?? '', /WWW-Authenticate/);
    }
  });
}

for (const [path, header] of [
  ['/token', 'content-type'],
  ['/register', 'content-type'],
  ['/revoke', 'content-type,authorization'],
  ['/.well-known/oauth-protected-resource/one/mcp', 'mcp-protocol-version'],
  ['/.well-known/oauth-authorization-server/one/mcp', 'mcp-protocol-version'],
  ['/one/mcp', 'authorization,content-type,mcp-protocol-version,mcp-session-id,mcp-method,mcp-name'],
] as const) {
  test(`WHATWG Fetch §3.3: a preflight for ${path} needs no token and allows ${header}`, async () => {
    const response = await fetch(`${at.url}${path}`, {
      method: 'OPTIONS',
      headers: {
        origin: 'http://localhost:6274',
        'access-control-request-method': 'POST',
        'access-control-request-headers': header,
      },
    });
    assert.equal(response.status, 204);
    assert.equal(response.headers.get('access-control-allow-headers'), header);
  });
}
