/** What a server asks of whoever comes without a good token. */

export interface Challenge {
  /** RFC 6750 §3.1 */
  readonly error?: string;
  readonly scope?: string;
  /** RFC 9728 §5.1: where the metadata of the resource is. */
  readonly resourceMetadata?: string;
}

/** RFC 9110 §11.6.1: the parameters of the scheme Bearer in a WWW-Authenticate header, among other schemes or alone. */
export function bearerChallenge(header = ''): Challenge {
  // A quoted value may look like a scheme.
  const start = /(?:^|,)\s*Bearer(?=\s|$)/i.exec(
    header.replace(/"(?:[^"\\]|\\.)*"/g, (value) => '"'.repeat(value.length)),
  );
  const parameter = /[\s,]*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/y;
  const found = new Map<string, string>();
  parameter.lastIndex = start === null ? header.length : start.index + start[0].length;
  for (let match = parameter.exec(header); match !== null; match = parameter.exec(header)) {
    const [, name = '', quoted, token = ''] = match;
    found.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? token);
  }
  const [error, scope, resourceMetadata] = ['error', 'scope', 'resource_metadata'].map((name) => found.get(name));
  return {
    ...(error !== undefined && { error }),
    ...(scope !== undefined && { scope }),
    ...(resourceMetadata !== undefined && { resourceMetadata }),
  };
}
