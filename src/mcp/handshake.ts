/** The one initialize that a shared child hears, and the answer each of its sessions gets. */

import { version } from '../version.ts';
import type { Child, Ending } from './child.ts';
import { isObject, type Message, type Params, tooDeep, write } from './message.ts';
import { isLegacy, latest } from './protocol-version.ts';
import { Unavailable } from './unavailable.ts';

/** The child's InitializeResult. */
export type Handshake = Readonly<Record<string, unknown>>;

/** Everything a client may be able to do: each request is still only put to a session whose client can. */
const everything = {
  roots: { listChanged: true },
  sampling: { tools: {} },
  elicitation: { form: {}, url: {} },
};

/** `timeout` in seconds. Rejects with Unavailable: 502 where the server ends or refuses, 504 where it says nothing. Other messages are dropped. */
export async function shakeHands(
  child: Pick<Child, 'listen' | 'send' | 'over'>,
  timeout: number,
  capabilities: Params = everything,
): Promise<Handshake> {
  const { promise, resolve, reject } = Promise.withResolvers<Handshake>();
  const timer = setTimeout(() => reject(new Unavailable(504, 'the server did not answer initialize')), timeout * 1000);
  child.listen({
    message(message: Message) {
      if (message.kind === 'request' && message.method === 'ping')
        child.send(write({ id: message.id, result: {} }).bytes);
      if (message.kind !== 'response' || message.id !== 0) return;
      if (isObject(message.result) && !tooDeep(message.result)) resolve(message.result);
      else reject(new Unavailable(502, 'the server refused to initialize'));
    },
    ended: ({ reason }: Ending) => reject(new Unavailable(502, reason)),
  });
  if (child.over()) reject(new Unavailable(502, 'the server ended at once'));
  const clientInfo = { name: 'mcp-gateway', version };
  const params = { protocolVersion: latest, capabilities, clientInfo };
  child.send(write({ id: 0, method: 'initialize', params }).bytes);
  try {
    const result = await promise;
    child.send(write({ method: 'notifications/initialized' }).bytes);
    return result;
  } finally {
    clearTimeout(timer);
  }
}

/** In the revision the client asked for, where the server speaks that or a later one. Strangers share no tasks. */
export function handshakeResult(handshake: Handshake, requested: unknown, strangers: boolean): Handshake {
  const { protocolVersion: spoken, capabilities: offered } = handshake;
  const older =
    typeof requested === 'string' && isLegacy(requested) && typeof spoken === 'string' && requested < spoken;
  const { tasks, ...others } = isObject(offered) ? offered : {};
  return {
    ...handshake,
    protocolVersion: older ? requested : spoken,
    capabilities: strangers || tasks === undefined ? others : { ...others, tasks },
  };
}
