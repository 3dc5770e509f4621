/** The least of an MCP client, so that tests see every status, header and frame. */

import assert from 'node:assert/strict';

export interface RpcMessage {
  readonly jsonrpc?: string;
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string };
}

export interface Frame {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: string;
  readonly message: RpcMessage | undefined;
}

export interface McpClient {
  readonly url: string;
  readonly headers: Record<string, string>;
  post(body: unknown, headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>;
  /** Sends a request and answers with the response, whether it came as JSON or on a stream. */
  request(method: string, params?: object): Promise<RpcMessage>;
  call(name: string, args?: object): Promise<string>;
  notify(method: string, params?: object): Promise<Response>;
  get(headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>;
  end(): Promise<Response>;
}

export const both = 'application/json, text/event-stream';
export const initializeParams = (protocolVersion = '2025-11-25') => ({
  protocolVersion,
  capabilities: { roots: {}, sampling: {}, elicitation: {} },
  clientInfo: { name: 'test', version: '1' },
});

let counter = 0;

export function mcpClient(url: string, own: Record<string, string> = {}): McpClient {
  const headers: Record<string, string> = { 'content-type': 'application/json', accept: both, ...own };
  const client: McpClient = {
    url,
    headers,
    post: (body, more = {}, signal) =>
      fetch(url, {
        method: 'POST',
        headers: { ...headers, ...more },
        body: typeof body === 'string' || body instanceof Buffer ? body : JSON.stringify(body),
        ...(signal && { signal }),
      }),
    async request(method, params = {}) {
      const id = ++counter;
      const response = await client.post({ jsonrpc: '2.0', id, method, params });
      if (response.headers.get('content-type') === 'application/json') return (await response.json()) as RpcMessage;
      for await (const { message } of frames(response))
        if (message?.id === id && message.method === undefined) return message;
      throw new Error(`no answer to ${method}, status ${response.status}`);
    },
    async call(name, args = {}) {
      const { result, error } = await client.request('tools/call', { name, arguments: args });
      assert.equal(error, undefined, JSON.stringify(error));
      return textOf(result);
    },
    notify: (method, params = {}) => client.post({ jsonrpc: '2.0', method, params }),
    get: (more = {}, signal) =>
      fetch(url, { headers: { ...headers, accept: 'text/event-stream', ...more }, ...(signal && { signal }) }),
    end: () => fetch(url, { method: 'DELETE', headers }),
  };
  return client;
}

/** The first text of a tool's result. */
export function textOf(result: RpcMessage['result']): string {
  const [first] = (result?.content ?? []) as { text: string }[];
  return first?.text ?? '';
}

/** A client with a session. */
export async function initialized(
  url: string,
  own: Record<string, string> = {},
  version = '2025-11-25',
): Promise<McpClient> {
  const client = mcpClient(url, own);
  const response = await client.post({
    jsonrpc: '2.0',
    id: 'init',
    method: 'initialize',
    params: initializeParams(version),
  });
  assert.equal(response.status, 200, await response.clone().text());
  client.headers['mcp-session-id'] = response.headers.get('mcp-session-id') ?? assert.fail('no session id');
  await response.arrayBuffer();
  client.headers['mcp-protocol-version'] = version;
  const confirmed = await client.notify('notifications/initialized');
  assert.equal(confirmed.status, 202);
  return client;
}

/** The events of a stream, comments left out. */
export async function* frames(response: Response): AsyncGenerator<Frame> {
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body ?? []) {
    rest += decoder.decode(chunk, { stream: true });
    for (let at = rest.indexOf('\n\n'); at >= 0; at = rest.indexOf('\n\n')) {
      const block = rest.slice(0, at).split('\n');
      rest = rest.slice(at + 2);
      const field = (name: string) =>
        block
          .find((line) => line.startsWith(`${name}:`))
          ?.slice(name.length + 1)
          .trimStart();
      const data = field('data');
      if (data === undefined) continue;
      yield {
        id: field('id'),
        event: field('event'),
        data,
        message: data === '' || field('event') === 'endpoint' ? undefined : (JSON.parse(data) as RpcMessage),
      };
    }
  }
}

export async function allFrames(response: Response): Promise<Frame[]> {
  const all: Frame[] = [];
  for await (const frame of frames(response)) all.push(frame);
  return all;
}

export async function nextMessage(stream: AsyncGenerator<Frame>): Promise<RpcMessage> {
  for (;;) {
    const { value, done } = await stream.next();
    if (done) throw new Error('the stream ended');
    if (value.message) return value.message;
  }
}
