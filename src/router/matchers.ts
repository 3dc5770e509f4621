/** The matchers of Traefik v3's HTTP rules. */

import type { IncomingMessage } from 'node:http';
import { addressSet } from './addresses.ts';
import { hostOf, isHost } from './host.ts';
import { peerAddress } from './peer.ts';
import { goRegexp, RegexpError } from './regexp.ts';

/** The part of an exchange that a rule may look at. */
export interface RuleRequest {
  readonly req: Pick<IncomingMessage, 'method' | 'headersDistinct' | 'socket'>;
  readonly host: string;
  readonly path: string;
  readonly query: string;
}

export interface PathKey {
  readonly path: string;
  readonly kind: 'exact' | 'prefix';
}

export interface Matcher {
  matches(request: RuleRequest): boolean;
  readonly host?: string;
  /** Of a pattern for hosts: the wildcard that a certificate for them bears. */
  readonly wildcard?: string;
  readonly path?: PathKey;
  readonly warning?: string;
}

interface Fault {
  readonly fault: string;
  readonly hint: string;
}

interface MatcherKind {
  readonly name: string;
  readonly usage: string;
  readonly arity: readonly [number, number];
  build(values: readonly string[]): Matcher | Fault;
}

/** Longer input meets no regular expression: their cost must not be the client's to choose. */
const longestHost = 2048;
const longestPath = 4096;
const longestValue = 4096;

const kinds: readonly MatcherKind[] = [
  { name: 'Host', usage: 'Host(`mcp.example.com`)', arity: [1, 1], build: ([name = '']) => host(name) },
  {
    name: 'HostRegexp',
    usage: 'HostRegexp(`^[a-z]+\\.example\\.com$`)',
    arity: [1, 1],
    build: ([pattern = '']) =>
      withRegexp(pattern, (regexp) => {
        const wildcard = wildcardOf(pattern);
        const matches = ({ host }: RuleRequest) => host.length <= longestHost && regexp.test(host);
        return { matches, ...(wildcard !== undefined && { wildcard }) };
      }),
  },
  {
    name: 'Path',
    usage: 'Path(`/files/mcp`)',
    arity: [1, 1],
    build: ([path = '']) =>
      absolute(path, () => ({ matches: (request) => request.path === path, path: { path, kind: 'exact' } })),
  },
  {
    name: 'PathPrefix',
    usage: 'PathPrefix(`/files/`)',
    arity: [1, 1],
    build: ([path = '']) =>
      absolute(path, () => ({
        matches: (request) => request.path.startsWith(path),
        path: { path, kind: 'prefix' },
        ...(!path.endsWith('/') && {
          warning: `PathPrefix(\`${path}\`) also matches ${path}-anything; Path(\`${path}\`) || PathPrefix(\`${path}/\`) does not`,
        }),
      })),
  },
  {
    name: 'PathRegexp',
    usage: 'PathRegexp(`^/v[0-9]+/`)',
    arity: [1, 1],
    build: ([pattern = '']) =>
      withRegexp(pattern, (regexp) => ({
        matches: ({ path }) => path.length <= longestPath && regexp.test(path),
      })),
  },
  {
    name: 'Method',
    usage: 'Method(`POST`)',
    arity: [1, 1],
    build: ([value = '']) => {
      const method = value.toUpperCase();
      return { matches: ({ req }) => req.method === method };
    },
  },
  {
    name: 'Header',
    usage: 'Header(`X-Env`, `staging`)',
    arity: [2, 2],
    build: ([name = '', value = '']) => header(name, (actual) => actual === value),
  },
  {
    name: 'HeaderRegexp',
    usage: 'HeaderRegexp(`Accept`, `json`)',
    arity: [2, 2],
    build: ([name = '', pattern = '']) =>
      withRegexp(pattern, (regexp) => header(name, (actual) => actual.length <= longestValue && regexp.test(actual))),
  },
  {
    name: 'Query',
    usage: 'Query(`mobile`, `true`)',
    arity: [1, 2],
    // Traefik: without a value the parameter must be there and empty.
    build: ([name = '', value = '']) => query(name, (actual) => actual === value),
  },
  {
    name: 'QueryRegexp',
    usage: 'QueryRegexp(`id`, `^[0-9]+$`)',
    arity: [1, 2],
    build: ([name = '', pattern]) =>
      pattern === undefined
        ? query(name, (actual) => actual === '')
        : withRegexp(pattern, (regexp) =>
            query(name, (actual) => actual.length <= longestValue && regexp.test(actual)),
          ),
  },
  { name: 'ClientIP', usage: 'ClientIP(`10.0.0.0/8`)', arity: [1, 1], build: ([range = '']) => clientIp(range) },
];

export const matchers: ReadonlyMap<string, MatcherKind> = new Map(kinds.map((kind) => [kind.name, kind]));

const ofVersion2: Readonly<Record<string, string>> = {
  headers: 'Header (Headers was Traefik v2)',
  headersregexp: 'HeaderRegexp (HeadersRegexp was Traefik v2)',
  hostheader: 'Host (HostHeader was Traefik v2)',
  hostsni: 'Host (HostSNI is for TCP routers)',
};

export function nearestMatcher(name: string): string {
  const lower = name.toLowerCase();
  const known = ofVersion2[lower] ?? kinds.find((kind) => kind.name.toLowerCase() === lower)?.name;
  return known ? `use ${known}` : `use one of ${kinds.map((kind) => kind.name).join(', ')}`;
}

function host(value: string): Matcher | Fault {
  if (/[^\x21-\x7e]/.test(value)) {
    return { fault: `Host cannot be ${value}`, hint: 'write the name in its ASCII form (xn--…)' };
  }
  if (value.includes('{')) {
    return { fault: `Host cannot be ${value}`, hint: 'placeholders are the syntax of Traefik v2; use HostRegexp' };
  }
  if (value === '*') return { matches: () => true };
  const wildcard = value.startsWith('*.');
  const bare = wildcard ? value.slice(2) : value;
  if (bare.includes('*') || !isHost(bare)) {
    return { fault: `Host cannot be ${value}`, hint: 'write a name such as mcp.example.com or *.example.com' };
  }
  const name = hostOf(bare);
  if (!wildcard) return { matches: (request) => request.host === name, host: name };
  // One label, no more: *.example.com is not a.b.example.com.
  return {
    matches: (request) => {
      const dot = request.host.indexOf('.');
      return dot > 0 && request.host.length === dot + 1 + name.length && request.host.endsWith(name);
    },
    host: `*.${name}`,
  };
}

/** Undefined where the pattern is not one label and then a name as it stands, such as `^[a-z]+\.example\.com$`. */
function wildcardOf(pattern: string): string | undefined {
  const parts = /^(?:\(\?i\))?\^(?:[^|()\\]|\\[wd]|\([^()\\]*\))+\\\.((?:[a-z0-9-]+\\\.)+[a-z0-9-]+)\$$/i.exec(pattern);
  return parts?.[1] === undefined ? undefined : `*.${parts[1].replaceAll('\\', '').toLowerCase()}`;
}

function header(name: string, test: (value: string) => boolean): Matcher {
  const key = name.toLowerCase();
  return { matches: ({ req }) => req.headersDistinct[key]?.some(test) ?? false };
}

function query(name: string, test: (value: string) => boolean): Matcher {
  return { matches: (request) => request.query !== '' && new URLSearchParams(request.query).getAll(name).some(test) };
}

function clientIp(range: string): Matcher | Fault {
  const set = addressSet([range]);
  if ('fault' in set)
    return { fault: `ClientIP cannot be ${range}`, hint: 'write an address or a range such as 10.0.0.0/8' };
  return { matches: ({ req }) => set.has(peerAddress(req.socket)) };
}

function absolute(path: string, build: () => Matcher): Matcher | Fault {
  if (path.includes('{')) {
    return { fault: `the path cannot be ${path}`, hint: 'placeholders are the syntax of Traefik v2; use PathRegexp' };
  }
  return path.startsWith('/')
    ? build()
    : { fault: `the path ${path} has no leading slash`, hint: `write \`/${path}\`` };
}

function withRegexp(pattern: string, build: (regexp: RegExp) => Matcher): Matcher | Fault {
  try {
    return build(goRegexp(pattern));
  } catch (error) {
    if (error instanceof RegexpError) return { fault: error.message, hint: error.hint };
    throw error;
  }
}
