/** One client's whole run against a gateway, from discovery to tools/list, up to the first step that differs. */

import { createHash, randomBytes } from 'node:crypto';
import type { Dispatcher, Response } from 'undici';
import type { ClientProfile } from './client-profiles.ts';
import { inFront, json, RunStopped, rpc, rpcResult, type Send, sender } from './client-requests.ts';

export interface RunOptions {
  /** The URL of the MCP server as clients know it. */
  readonly url: string;
  readonly issuer: string;
  readonly dispatcher: Dispatcher;
  /** Over a plain socket to a gateway whose URLs are https. */
  readonly plain?: boolean;
  /** Where nobody can log in for us, the run goes as far as the login page, and tries tokens that are not good. */
  readonly person?: (request: AuthorizationAnswer) => Promise<string>;
  /** Milliseconds for each answer. */
  readonly patience: number;
}

/** What a person who allows the client would have allowed. Answers the code. */
export interface AuthorizationAnswer {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly codeChallenge: string;
}

/** What was found on the way. Rejects with RunStopped. */
export async function clientRun(profile: ClientProfile, options: RunOptions): Promise<string> {
  const { url, issuer, person } = options;
  const send = sender(profile, options);

  const metadataUrl = await challenge(await send('discovery', url, rpc(profile, 'initialize')), profile);
  const resource = await json(await send('resource metadata', metadataUrl), 'resource metadata', 'RFC 9728');
  if (resource.resource !== url)
    throw new RunStopped(
      'resource metadata',
      `it is of ${String(resource.resource)}`,
      `${url} must be what publicUrl says`,
    );
  const servers = Array.isArray(resource.authorization_servers) ? resource.authorization_servers : [];
  if (servers[0] !== issuer)
    throw new RunStopped(
      'resource metadata',
      `it names ${String(servers[0])} to log in at`,
      `set publicUrl to ${issuer}`,
    );

  const metadata = await json(
    await send('server metadata', `${issuer}/.well-known/oauth-authorization-server`),
    'server metadata',
    'RFC 8414',
  );
  const endpoint = (name: string): string => {
    const value = metadata[name];
    // RFC 8414 §3.3: a client refuses a document whose issuer is not the one it asked.
    if (metadata.issuer !== issuer || typeof value !== 'string' || !value.startsWith(`${issuer}/`))
      throw new RunStopped(
        'server metadata',
        `${name} is ${String(value)} of ${String(metadata.issuer)}`,
        `it must be of ${issuer}; set publicUrl`,
      );
    return value;
  };

  if (metadata.registration_endpoint === undefined)
    throw new RunStopped(
      'registration',
      'it is closed',
      'name this client in auth.clients, or set auth.registration to "open"',
    );
  const registered = await json(
    await send('registration', endpoint('registration_endpoint'), {
      body: JSON.stringify(profile.registration),
      type: 'application/json',
    }),
    'registration',
    'RFC 7591',
    201,
  );
  try {
    const clientId = String(registered.client_id);
    const verifier = randomBytes(32).toString('base64url');
    const codeChallenge = createHash('sha256').update(verifier).digest('base64url');
    const named = profile.resource === 'slash' ? `${url}/` : url;
    const asked = new URLSearchParams({
      response_type: 'code',
      client_id: clientId,
      redirect_uri: profile.redirectUri,
      code_challenge: codeChallenge,
      code_challenge_method: 'S256',
      state: 'check',
      ...(profile.resource !== 'none' && { resource: named }),
      ...(profile.scope !== undefined && { scope: profile.scope }),
    });
    const page = await send('authorization', `${endpoint('authorization_endpoint')}?${asked}`, { accept: 'text/html' });
    const text = await page.text();
    if (page.status >= 400 || (page.status < 300 && !text.includes('<form')))
      throw new RunStopped(
        'authorization',
        `the login page is ${page.status}`,
        `${inFront}: it must pass HTML and its headers unchanged`,
      );

    const code =
      person === undefined ? 'none' : await person({ clientId, redirectUri: profile.redirectUri, codeChallenge });
    const redeemed = await send('token', endpoint('token_endpoint'), {
      type: 'application/x-www-form-urlencoded',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: clientId,
        code,
        code_verifier: verifier,
        redirect_uri: profile.redirectUri,
        ...(profile.resource !== 'none' && { resource: named }),
      }).toString(),
    });
    const answer = await json(redeemed, 'token', 'OAuth 2.1', person === undefined ? 400 : 200);
    if (person !== undefined) return await useTools(send, url, profile, String(answer.access_token));
    if (answer.error !== 'invalid_grant')
      throw new RunStopped(
        'token',
        `a code that is not good is ${String(answer.error)}`,
        `${inFront}: it must pass form bodies unchanged`,
      );
    await passesToken(send, url, profile);
    return 'as far as the login page, and what comes after it arrives';
  } finally {
    await deregister(registered, send);
  }
}

/** RFC 9728 §5.1: 401 and the way to the metadata. */
async function challenge(response: Response, { name, origin }: ClientProfile): Promise<string> {
  await response.arrayBuffer();
  const step = 'discovery';
  const { status, headers } = response;
  if (status === 403 || status === 406 || status === 429 || status === 503)
    throw new RunStopped(
      step,
      `${status} instead of 401`,
      `${inFront}: its rules against bots block the user agent of ${name}`,
    );
  if (status >= 300 && status < 400)
    throw new RunStopped(
      step,
      `a redirect to ${headers.get('location') ?? ''}`,
      'publicUrl must be the URL that answers by itself',
    );
  if (status !== 401)
    throw new RunStopped(
      step,
      `${status} instead of 401`,
      'what answers is not this gateway, or the path is not passed on; see DNS and the proxy in front',
    );
  const found = /resource_metadata="([^"]+)"/.exec(headers.get('www-authenticate') ?? '')?.[1];
  if (found === undefined || !URL.canParse(found))
    throw new RunStopped(step, '401 without WWW-Authenticate', `${inFront}: it takes that header out of answers`);
  if (origin !== undefined && !headers.has('access-control-allow-origin'))
    throw new RunStopped(
      step,
      'no Access-Control-Allow-Origin for a client in a web page',
      `${inFront}: it takes that header out of answers`,
    );
  return found;
}

/** RFC 6750 §3: only who sent a token is told that it is not good, so the error proves that the header arrived. */
async function passesToken(send: Send, url: string, profile: ClientProfile): Promise<void> {
  const response = await send('first call', url, { ...rpc(profile, 'initialize'), token: 'not-a-token' });
  await response.arrayBuffer();
  if (!/error="invalid_token"/.test(response.headers.get('www-authenticate') ?? ''))
    throw new RunStopped(
      'first call',
      'the Authorization header does not arrive',
      `${inFront}: it takes that header out of requests`,
    );
}

/** MCP 2025-11-25 lifecycle: initialize, initialized, then the list. */
async function useTools(send: Send, url: string, profile: ClientProfile, token: string): Promise<string> {
  const opened = await send('initialize', url, { ...rpc(profile, 'initialize'), token });
  const session = opened.headers.get('mcp-session-id') ?? undefined;
  const hello = await rpcResult(opened, 'initialize');
  const kept = { token, ...(session !== undefined && { session }) };
  try {
    await (await send('initialized', url, { ...rpc(profile, 'notifications/initialized'), ...kept })).arrayBuffer();
    const { tools } = (hello.capabilities ?? {}) as { tools?: unknown };
    if (tools === undefined) return 'initialize; the server has no tools';
    const list = await rpcResult(
      await send('tools/list', url, { ...rpc(profile, 'tools/list'), ...kept }),
      'tools/list',
    );
    const { length } = Array.isArray(list.tools) ? list.tools : [];
    return `all the way to ${length} tools`;
  } finally {
    if (session !== undefined) await (await send('end', url, { ...kept, method: 'DELETE' })).arrayBuffer();
  }
}

/** RFC 7592 §2.3: what was registered for the check goes again. A client shared with a real one stays. */
async function deregister(registered: Record<string, unknown>, send: Send): Promise<void> {
  const { registration_client_uri: uri, registration_access_token: token } = registered;
  if (typeof uri !== 'string' || typeof token !== 'string') return;
  await send('end', uri, { method: 'DELETE', token }).then(
    (response) => response.arrayBuffer(),
    () => undefined,
  );
}
