/** Protected resources and the `resource` parameter that names them, RFC 8707. */

import { OAuthError } from './errors.ts';
import { defaultScope } from './scope.ts';

export interface ProtectedResource {
  /** The full URL of the MCP endpoint without trailing slash: the audience of its tokens. */
  readonly identifier: string;
  /** For people: the consent page and RFC 9728 `resource_name`. */
  readonly name: string;
  /** Another door of the resource before it that has the same name, for clients of former transports. */
  readonly alias?: boolean;
  /** All of them are needed to use it. */
  readonly scopes: readonly string[];
  /** Absent means everybody who may log in, and every client. */
  readonly allow?: { readonly users?: readonly string[] | undefined; readonly clients?: readonly string[] | undefined };
}

/** What a client should ask for to use these resources, and what they are challenged with. */
export function scopesOf(resources: readonly ProtectedResource[]): string[] {
  const all = new Set(resources.flatMap(({ scopes }) => (scopes.length > 0 ? scopes : [defaultScope])));
  return all.size > 0 ? [...all] : [defaultScope];
}

/** One spelling for one resource: RFC 3986 §6.2.2 case and default port, and no trailing slash. Undefined where it is no resource URI. */
export function canonicalResource(text: string): string | undefined {
  // RFC 8707 §2: an absolute URI, without a fragment.
  if (!URL.canParse(text) || text.includes('#')) return undefined;
  const url = new URL(text);
  if ((url.protocol !== 'https:' && url.protocol !== 'http:') || url.username !== '' || url.password !== '') {
    return undefined;
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}${url.search}`;
}

/** The resources of this gateway, found by what a client may call them. */
export interface Resources {
  readonly all: readonly ProtectedResource[];
  find(identifier: string): ProtectedResource | undefined;
  /**
   * The resources a request means, each once. None named means all of them: clients older than RFC 8707 name none, and
   * the consent page says what they get. Our own origin means all of them too: it is what the RFC 9728 document at
   * the root names where there are several. Refuses with invalid_target what we do not protect.
   */
  requested(values: readonly string[]): ProtectedResource[];
}

export function resources(all: readonly ProtectedResource[], publicUrl: URL): Resources {
  const known = new Map(
    all.map((resource) => [canonicalResource(resource.identifier) ?? resource.identifier, resource]),
  );
  const root = canonicalResource(publicUrl.href);
  return {
    all,
    find: (identifier) => known.get(canonicalResource(identifier) ?? identifier),
    requested(values) {
      if (values.length === 0) return [...all];
      const meant = new Set<ProtectedResource>();
      for (const value of values) {
        const name = canonicalResource(value);
        const found = name === undefined ? undefined : known.get(name);
        if (found) meant.add(found);
        else if (name !== undefined && name === root) for (const each of all) meant.add(each);
        // RFC 8707 §2: a resource that is malformed or unknown is invalid_target.
        else throw new OAuthError('invalid_target', 'The requested resource is not one this server protects');
      }
      return [...meant];
    },
  };
}
