/** What the clients that people use send, as far as a gateway, or a proxy in front of one, could tell them apart. */

export interface ClientProfile {
  readonly name: string;
  readonly userAgent: string;
  /** As it is posted to the registration endpoint, RFC 7591. */
  readonly registration: Readonly<Record<string, unknown>>;
  /** Of the authorization request; one of those registered, a loopback one with any port. */
  readonly redirectUri: string;
  /** How the client writes RFC 8707's `resource`. */
  readonly resource: 'exact' | 'slash' | 'none';
  readonly scope?: string;
  /** A client that runs in a web page. */
  readonly origin?: string;
  readonly protocolVersion: string;
}

const both = ['authorization_code', 'refresh_token'];
const open = { grant_types: both, response_types: ['code'], token_endpoint_auth_method: 'none' };

export const clientProfiles: readonly ClientProfile[] = [
  {
    name: 'Claude.ai',
    userAgent: 'Claude-User',
    registration: {
      ...open,
      client_name: 'Claude',
      redirect_uris: ['https://claude.ai/api/mcp/auth_callback'],
      scope: 'mcp',
    },
    redirectUri: 'https://claude.ai/api/mcp/auth_callback',
    resource: 'exact',
    protocolVersion: '2025-06-18',
  },
  {
    name: 'ChatGPT',
    userAgent: 'openai-mcp/1.0.0',
    registration: {
      ...open,
      client_name: 'ChatGPT',
      redirect_uris: ['https://chatgpt.com/connector/oauth/pE4f8KqXz0aB'],
    },
    redirectUri: 'https://chatgpt.com/connector/oauth/pE4f8KqXz0aB',
    resource: 'exact',
    scope: 'openid offline_access',
    protocolVersion: '2025-06-18',
  },
  {
    name: 'VS Code',
    userAgent: 'node',
    registration: {
      ...open,
      client_name: 'Visual Studio Code',
      client_uri: 'https://code.visualstudio.com',
      grant_types: [...both, 'urn:ietf:params:oauth:grant-type:device_code'],
      redirect_uris: ['https://vscode.dev/redirect', 'http://127.0.0.1/', 'http://127.0.0.1:33418/'],
      application_type: 'native',
    },
    redirectUri: 'http://127.0.0.1:51999/',
    resource: 'exact',
    protocolVersion: '2025-11-25',
  },
  {
    name: 'Cursor',
    userAgent: 'Cursor/1.0.0',
    registration: {
      ...open,
      client_name: 'Cursor',
      redirect_uris: ['cursor://anysphere.cursor-mcp/oauth/callback', 'http://localhost:8787/callback'],
    },
    redirectUri: 'cursor://anysphere.cursor-mcp/oauth/callback',
    resource: 'exact',
    protocolVersion: '2025-06-18',
  },
  {
    name: 'MCP Inspector',
    userAgent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
    registration: {
      ...open,
      client_name: 'MCP Inspector',
      client_uri: 'https://github.com/modelcontextprotocol/inspector',
      redirect_uris: ['http://localhost:6274/oauth/callback'],
      scope: '',
    },
    redirectUri: 'http://localhost:6274/oauth/callback',
    resource: 'slash',
    origin: 'http://localhost:6274',
    protocolVersion: '2025-11-25',
  },
  {
    name: 'mcp-remote',
    userAgent: 'node',
    registration: {
      ...open,
      client_name: 'MCP CLI Proxy',
      client_uri: 'https://github.com/modelcontextprotocol/mcp-cli',
      redirect_uris: ['http://localhost:3334/oauth/callback'],
      software_id: '2e6dc280-f3c3-4e01-99a7-8181dbd1d23d',
      software_version: '0.1.0',
    },
    redirectUri: 'http://localhost:3334/oauth/callback',
    resource: 'none',
    protocolVersion: '2025-03-26',
  },
];
