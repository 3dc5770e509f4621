/** A client's requests as its profile sends them, and what came back where it is not what the client needs. */

import { type Dispatcher, fetch, type Response } from 'undici';
import type { ClientProfile } from './client-profiles.ts';
import { reasonOf } from './finding.ts';

/** Where a run ended early: which step, what came, and what to do. */
export class RunStopped extends Error {
  override readonly name = 'RunStopped';
  readonly step: string;
  constructor(step: string, came: string, mend: string) {
    super(`${came}; ${mend}`);
    this.step = step;
  }
}

export const inFront = 'look at the proxy in front of the gateway';

export type Send = (
  step: string,
  url: string,
  more?: { body?: string; type?: string; accept?: string; token?: string; session?: string; method?: string },
) => Promise<Response>;

export function sender(
  { userAgent, origin, protocolVersion }: ClientProfile,
  {
    dispatcher,
    plain,
    patience,
  }: { readonly dispatcher: Dispatcher; readonly plain?: boolean; readonly patience: number },
): Send {
  return async (step, url, { body, type, accept, token, session, method } = {}) => {
    try {
      return await fetch(plain ? url.replace(/^https:/, 'http:') : url, {
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        dispatcher,
        redirect: 'manual',
        headers: {
          'user-agent': userAgent,
          accept: accept ?? 'application/json, text/event-stream',
          'mcp-protocol-version': protocolVersion,
          ...(origin !== undefined && accept === undefined && { origin }),
          ...(type !== undefined && { 'content-type': type }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(session !== undefined && { 'mcp-session-id': session }),
        },
        ...(body !== undefined && { body }),
        signal: AbortSignal.timeout(patience),
      });
    } catch (error) {
      throw new RunStopped(
        step,
        `${new URL(url).origin} cannot be reached (${reasonOf(error).text})`,
        mendOf(reasonOf(error).code, url),
      );
    }
  };
}

function mendOf(code: string, url: string): string {
  const { hostname, port, protocol } = new URL(url);
  const at = port || (protocol === 'https:' ? '443' : '80');
  if (code === 'ECONNREFUSED')
    return `nothing listens at port ${at} there; start the gateway, or forward that port to it`;
  if (code === 'ENOTFOUND') return `add a DNS record for ${hostname}`;
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/.test(code))
    return 'its certificate is not good; see "mcp-gateway cert list"';
  if (/TIMEOUT|ABORT|UND_ERR_CONNECT|EHOSTUNREACH|ENETUNREACH|^23$/.test(code))
    return `open port ${at} in the firewall, and see that DNS leads to this host`;
  return `see that ${hostname} leads to this host and that port ${at} is open`;
}

export async function json(
  response: Response,
  step: string,
  standard: string,
  status = 200,
): Promise<Record<string, unknown>> {
  const text = await response.text();
  const value = parsed(text);
  const { error_description: said } = (value ?? {}) as { error_description?: string };
  if (response.status !== status || typeof value !== 'object' || value === null)
    throw new RunStopped(
      step,
      `${response.status} instead of ${status} with JSON (${standard})${said === undefined ? '' : `: ${said}`}`,
      said === undefined ? `${inFront}: it must pass this path to the gateway` : 'the log of the gateway says more',
    );
  return value as Record<string, unknown>;
}

export async function rpcResult(response: Response, step: string): Promise<Record<string, unknown>> {
  const text = await response.text();
  const messages = [...text.matchAll(/^data: ?(\{.*)$/gm)].map(([, data]) => parsed(data ?? ''));
  const answers = messages.length > 0 ? messages : [parsed(text)];
  for (const answer of answers) {
    const { result, error } = (answer ?? {}) as { result?: Record<string, unknown>; error?: { message?: string } };
    if (result !== undefined) return result;
    if (error !== undefined)
      throw new RunStopped(step, `the server says: ${error.message ?? 'an error'}`, 'see its own log');
  }
  throw new RunStopped(step, `${response.status} without a result`, 'see the log of the gateway');
}

export function rpc({ protocolVersion, name }: ClientProfile, method: string): { body: string; type: string } {
  const clientInfo = { name, version: '1' };
  const params = method === 'initialize' ? { protocolVersion, capabilities: {}, clientInfo } : {};
  const id = method.startsWith('notifications/') ? {} : { id: 1 };
  return { body: JSON.stringify({ jsonrpc: '2.0', ...id, method, params }), type: 'application/json' };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
