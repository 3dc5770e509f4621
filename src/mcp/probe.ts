/** Which era a process speaks: ST-17 says to ask for `server/discover`, and what each kind of answer means. */

import { version } from '../version.ts';
import type { Child } from './child.ts';
import { isObject, type Request, write } from './message.ts';
import { type Discovered, metaKey, modernCode, modernVersions, readDiscovery } from './modern-revision.ts';

export type Verdict =
  | { readonly era: 'modern'; readonly discovered: Discovered }
  /** `usable`: it answered, so that it can still be initialized. */
  | { readonly era: 'legacy'; readonly usable: boolean }
  /** It speaks only modern revisions that we do not. */
  | { readonly era: 'unknown'; readonly versions: readonly string[] };

const gatewayInfo = { name: 'mcp-gateway', version };

const id = 'discover';

/** What the gateway says about itself in requests of its own. */
export const ownMeta = {
  [metaKey.protocolVersion]: modernVersions[0],
  [metaKey.clientCapabilities]: {},
  [metaKey.clientInfo]: gatewayInfo,
};

/** Asks a server which modern revisions it speaks. */
export const discoverRequest = write({ id, method: 'server/discover', params: { _meta: ownMeta } }) as Request;

/** Seconds a server may take to answer: a package runner may have to fetch it first, and a legacy one may never answer. */
export const patience = 20;

/** `wait` in seconds: a server of a former revision may leave a method it does not know without an answer. */
export async function probe(child: Child, wait: number): Promise<Verdict> {
  const { promise, resolve } = Promise.withResolvers<Verdict>();
  const timer = setTimeout(() => resolve({ era: 'legacy', usable: false }), wait * 1000);
  child.listen({
    message(message) {
      if (message.kind === 'response' && message.id === id) resolve(judge(message.result, message.error));
    },
    ended: () => resolve({ era: 'legacy', usable: false }),
  });
  child.send(discoverRequest.bytes);
  const verdict = await promise;
  clearTimeout(timer);
  return verdict;
}

function judge(result: unknown, error: unknown): Verdict {
  const discovered = readDiscovery(result);
  if (discovered) {
    const { versions } = discovered;
    if (versions.some((spoken) => modernVersions.includes(spoken))) return { era: 'modern', discovered };
    return versions.some((spoken) => spoken < '2026') ? { era: 'legacy', usable: true } : { era: 'unknown', versions };
  }
  // -32022 is a word of the modern era, but where it offers an older revision, that one is meant to be used.
  const data =
    isObject(error) && error.code === modernCode.unsupportedVersion && isObject(error.data) ? error.data : undefined;
  const supported = Array.isArray(data?.supported) ? data.supported.filter((item) => typeof item === 'string') : [];
  if (supported.length > 0 && supported.every((spoken) => spoken >= '2026')) {
    return { era: 'unknown', versions: supported };
  }
  return { era: 'legacy', usable: true };
}
