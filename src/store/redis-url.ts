/**
 * The URL of a Redis: `redis://[user:password@]host[:port][,host[:port]…][/database][?sentinel=NAME|cluster=true][&prefix=TEXT][&ca=FILE]`,
 * or `rediss://` for TLS. Several hosts are sentinels or nodes of a cluster, of which one that answers is enough.
 */

export interface RedisAddress {
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  /** The name under which the sentinels know the master; the hosts are theirs. */
  readonly sentinel: string | undefined;
  readonly cluster: boolean;
  /** Stands before every key, so that several programs can share one Redis. */
  readonly prefix: string;
  readonly tls: boolean;
  /** A file of certificates to trust in place of the system's. */
  readonly ca: string | undefined;
}

const form = /^(rediss?):\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/(\d*))?(?:\?([^#]*))?$/;
const hostForm = /^(\[[0-9a-f:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/i;
const known = ['sentinel', 'cluster', 'prefix', 'ca'];

/** Throws one sentence that says what is wrong and repeats no password. */
export function parseRedisUrl(url: string): RedisAddress {
  const [, scheme, login = '', hostList = '', database = '', query = ''] = form.exec(url) ?? [];
  if (scheme === undefined)
    throw new Error(
      'is not of the form redis://user:password@host:port/0 (percent-encode what is odd in the password)',
    );
  const options = new URLSearchParams(query);
  const strange = [...options.keys()].find((key) => !known.includes(key));
  if (strange !== undefined)
    throw new Error(`has the unknown option ${JSON.stringify(strange)}; known are ${known.join(', ')}`);
  const sentinel = options.get('sentinel') ?? undefined;
  const cluster = options.get('cluster') ?? 'false';
  if (cluster !== 'true' && cluster !== 'false') throw new Error('has cluster= with something else than true or false');
  if (sentinel === '') throw new Error('has sentinel= without the name of the master');
  if (sentinel !== undefined && cluster === 'true') throw new Error('can be sentinel= or cluster=, not both');
  const hosts = hostList.split(',').map((text) => hostOf(text, sentinel === undefined ? 6379 : 26379));
  if (hosts.length > 1 && sentinel === undefined && cluster !== 'true')
    throw new Error('names several hosts; say ?sentinel=NAME or ?cluster=true');
  if (cluster === 'true' && Number(database) !== 0) throw new Error('names a database, and a cluster has only 0');
  const ca = options.get('ca') ?? undefined;
  if (ca !== undefined && scheme !== 'rediss') throw new Error('has ca= without TLS; write rediss://');
  const [username, password] = credentials(login);
  return {
    hosts,
    username,
    password,
    database: Number(database),
    sentinel,
    cluster: cluster === 'true',
    prefix: options.get('prefix') ?? 'mcp-gateway:',
    tls: scheme === 'rediss',
    ca,
  };
}

function hostOf(text: string, defaultPort: number): { host: string; port: number } {
  const [, host, digits] = hostForm.exec(text) ?? [];
  const port = Number(digits ?? defaultPort);
  if (host === undefined || port === 0 || port > 65_535)
    throw new Error('has a host that is not of the form host:port');
  return { host: host.replace(/^\[|\]$/g, ''), port };
}

/** `user:password`, `:password`, or a user alone. */
function credentials(login: string): [username: string | undefined, password: string | undefined] {
  const at = login.indexOf(':');
  const [user, password] = at === -1 ? [login, ''] : [login.slice(0, at), login.slice(at + 1)];
  try {
    return [decodeURIComponent(user) || undefined, decodeURIComponent(password) || undefined];
  } catch {
    throw new Error('has a user or password that is not percent-encoded');
  }
}
