/** One client of the soak, of either era: what it sends, and what of all that it hears must not be. */

import { frames, initializeParams, mcpClient, type RpcMessage } from '../support/mcp-client.ts';
import { modernClient } from '../support/modern-client.ts';

/** What the visitors of one soak find out together. */
export interface Findings {
  /** Answers by status. */
  readonly statuses: Map<number, number>;
  /** Answers that were what they had to be. */
  verified: number;
  /** What must never happen, in one sentence each. */
  readonly faults: string[];
}

export interface Place {
  readonly url: string;
  readonly user: string;
  readonly token: string;
}

export interface Visitor {
  readonly user: string;
  /** The answer as it comes, for whoever reads it himself, or not at all. */
  send(method: string, params: object, signal?: AbortSignal): Promise<Response>;
  /** The answer to a request; undefined where the connection broke. Questions are answered with `rootsOf` the user. */
  ask(method: string, params: object, signal?: AbortSignal): Promise<RpcMessage | undefined>;
  notify(method: string, params?: object): Promise<void>;
  /** The stream of what belongs to no call. */
  listen(signal?: AbortSignal): Promise<Response>;
  /** All that comes until it ends or breaks. */
  read(response: Response, each?: (message: RpcMessage) => Promise<void> | void): Promise<readonly RpcMessage[]>;
  leave(): Promise<void>;
}

/** Every text that a visitor sends holds this: whoever else hears it heard too much. */
export const tag = (user: string) => `owner=${user};`;
export const rootsOf = (user: string) => ({ roots: [{ uri: `file:///${tag(user)}` }] });

const expected = [200, 202, 204, 404, 429, 502, 503, 504];
let counter = 0;

function reader({ user, url }: Place, { faults, statuses }: Findings): Visitor['read'] {
  const fault = (text: string) => faults.push(`${user} at ${new URL(url).pathname}: ${text.slice(0, 300)}`);
  return async (response, each = () => {}) => {
    const { status } = response;
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    const messages: RpcMessage[] = [];
    const take = async (text: string) => {
      for (const [, owner] of text.matchAll(/owner=(\w+);/g)) if (owner !== user) fault(`heard ${text}`);
      if (!expected.includes(status)) fault(`${status} ${text}`);
      const message = JSON.parse(text) as RpcMessage;
      messages.push(message);
      await each(message);
    };
    try {
      const type = response.headers.get('content-type') ?? '';
      if (type.startsWith('text/event-stream')) {
        for await (const { data } of frames(response)) if (data !== '') await take(data);
      } else {
        const text = await response.text();
        if (text !== '') await take(text);
      }
    } catch (error) {
      if (error instanceof SyntaxError) fault(`no JSON: ${error.message}`);
    }
    return messages;
  };
}

/** Undefined where there was no session to be had. */
export async function legacyVisitor(place: Place, findings: Findings): Promise<Visitor | undefined> {
  const client = mcpClient(place.url, { authorization: `Bearer ${place.token}` });
  const read = reader(place, findings);
  const opened = await client.post({ jsonrpc: '2.0', id: 'i', method: 'initialize', params: initializeParams() });
  await read(opened);
  const session = opened.headers.get('mcp-session-id');
  if (session === null || opened.status !== 200) return undefined;
  client.headers['mcp-session-id'] = session;
  client.headers['mcp-protocol-version'] = '2025-11-25';
  const visitor: Visitor = {
    user: place.user,
    read,
    send: (method, params, signal) => client.post({ jsonrpc: '2.0', id: ++counter, method, params }, {}, signal),
    async ask(method, params, signal) {
      const id = ++counter;
      const response = await client.post({ jsonrpc: '2.0', id, method, params }, {}, signal);
      const messages = await read(response, async (message) => {
        if (message.method !== 'roots/list') return;
        await read(await client.post({ jsonrpc: '2.0', id: message.id, result: rootsOf(place.user) }));
      });
      return answerIn(messages, id, findings);
    },
    async notify(method, params = {}) {
      await read(await client.notify(method, params));
    },
    listen: (signal) => client.get({}, signal),
    async leave() {
      await read(await client.end());
    },
  };
  await visitor.notify('notifications/initialized');
  return visitor;
}

export function modernVisitor(place: Place, findings: Findings): Visitor {
  const client = modernClient(place.url, { authorization: `Bearer ${place.token}` });
  const read = reader(place, findings);
  const send = (id: number, method: string, params: object, signal: AbortSignal | undefined) => {
    const { _meta: meta = {}, ...rest } = params as { _meta?: Record<string, unknown> };
    return client.post({ id, method, params: rest, meta, capabilities: { roots: {} }, ...(signal && { signal }) });
  };
  return {
    user: place.user,
    read,
    send: (method, params, signal) => send(++counter, method, params, signal),
    async ask(method, params, signal) {
      const id = ++counter;
      const response = await send(id, method, params, signal);
      const answer = answerIn(await read(response), id, findings);
      if (answer?.result?.resultType !== 'input_required') return answer;
      const { inputRequests, requestState } = answer.result;
      const keys = Object.keys(Object(inputRequests));
      const inputResponses = Object.fromEntries(keys.map((key) => [key, rootsOf(place.user)]));
      return this.ask(method, { ...params, inputResponses, requestState }, signal);
    },
    // Here to hang up says it all.
    async notify() {},
    listen(signal) {
      const notifications = { toolsListChanged: true, resourceSubscriptions: [`a://${tag(place.user)}`] };
      return this.send('subscriptions/listen', { notifications }, signal);
    },
    async leave() {},
  };
}

/** Exactly one of the messages answers the request, and nothing follows it. */
function answerIn(messages: readonly RpcMessage[], id: number, { faults }: Findings): RpcMessage | undefined {
  const answers = messages.filter(({ method }) => method === undefined);
  if (answers.length > 1 || (answers[0] && answers[0] !== messages.at(-1))) faults.push(`${id}: several answers`);
  if (answers[0] && answers[0].id !== id && answers[0].id !== null)
    faults.push(`${id}: the answer to ${JSON.stringify(answers[0].id)}`);
  return answers[0];
}
