/** The file in which a client (Claude Desktop, VS Code, Cursor) keeps its servers → our `mcpServers`. */

import { isSecret } from '../log.ts';

export interface Imported {
  readonly mcpServers: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Environment variables that the result refers to, and where each value stood. Never the value. */
  readonly secrets: readonly { readonly variable: string; readonly from: string }[];
  /** What could not be taken over as it was, one sentence each. */
  readonly notes: readonly string[];
}

type Entry = Readonly<Record<string, unknown>>;

/** Throws one sentence where the text is no such file. */
export function readClientFile(text: string): Imported {
  const servers = serversOf(parseLenient(text));
  const mcpServers: Record<string, Entry> = {};
  const notes: string[] = [];
  const secrets = new Map<string, string>();
  const values = new Map<string, string>();
  for (const [written, entry] of Object.entries(servers)) {
    const name = written.replace(/[^a-zA-Z0-9._-]+/g, '-').replace(/^[^a-zA-Z0-9]+|-+$/g, '');
    if (!isEntry(entry) || name === '') {
      notes.push(`${written}: is no server, and was left out`);
      continue;
    }
    if (name !== written) notes.push(`${written}: is named ${name} here, as the name is part of its URL`);
    const reference = (value: unknown, key: string): unknown => {
      if (typeof value !== 'string') return value;
      const wanted = variableFor(value, key, name);
      if (wanted === undefined) return value;
      let variable = wanted;
      for (let next = 2; values.has(variable) && values.get(variable) !== value; next += 1)
        variable = `${wanted}_${next}`;
      values.set(variable, value);
      secrets.set(variable, `${written}: ${key}${value.startsWith('-') ? ', with its flag' : ''}`);
      return { $env: variable };
    };
    const server = serverOf(entry, reference, (note) => notes.push(`${written}: ${note}`));
    if (server !== undefined) mcpServers[name] = server;
  }
  return { mcpServers, secrets: [...secrets].map(([variable, from]) => ({ variable, from })), notes };
}

function serverOf(
  entry: Entry,
  reference: (value: unknown, key: string) => unknown,
  note: (text: string) => void,
): Entry | undefined {
  const { command, args, env, cwd, url, serverUrl, headers, type, disabled, envFile } = entry;
  const enabled = disabled === true ? { enabled: false } : {};
  if (envFile !== undefined) note('envFile is not read; put what it sets into env');
  const list = Array.isArray(args) ? args.map(String) : [];
  const remote = url ?? serverUrl ?? (typeof command === 'string' ? behindMcpRemote(command, list) : undefined);
  if (typeof remote === 'string') {
    if (type === 'sse') {
      note('speaks HTTP+SSE, which was replaced by Streamable HTTP; left out, ask its maker for a newer URL');
      return undefined;
    }
    if (url === undefined && serverUrl === undefined) note('mcp-remote is not needed here; its URL was taken');
    const added = isEntry(headers) ? { headers: mapValues(headers, reference) } : {};
    return { url: remote, ...added, ...enabled };
  }
  if (typeof command !== 'string') {
    note('has neither command nor url, and was left out');
    return undefined;
  }
  for (const text of [command, ...list, cwd])
    if (typeof text === 'string' && /\$\{(?!env:|input:)/.test(text))
      note(`${text} is of the editor; write a full path`);
  return {
    command,
    ...(list.length > 0 && { args: list.map((text, index) => argument(text, list[index - 1], reference)) }),
    ...(isEntry(env) && Object.keys(env).length > 0 && { env: mapValues(env, reference) }),
    ...(typeof cwd === 'string' && { cwd }),
    ...enabled,
  };
}

/** `--api-key VALUE`: the flag says that what follows is a secret. `--api-key=VALUE` as one word is kept whole. */
function argument(
  text: string,
  before: string | undefined,
  reference: (value: unknown, key: string) => unknown,
): unknown {
  const [, flag = ''] = /^--?([\w-]+)=/.exec(text) ?? [];
  const key = flag !== '' ? flag : before?.startsWith('-') && !before.includes('=') ? before.replace(/^-+/, '') : '';
  return reference(text, key === '' ? 'args' : key);
}

/** The variable that should hold this value, where it is a reference already or looks like a secret. */
function variableFor(value: string, key: string, server: string): string | undefined {
  const [, kind, named] = /^\$\{(env|input):([^}]+)\}$/.exec(value) ?? [];
  const upper = (text: string) =>
    text
      .replace(/[^A-Za-z0-9]+/g, '_')
      .replace(/^_+|_+$/g, '')
      .toUpperCase();
  if (named !== undefined) return kind === 'env' ? named : upper(named);
  const secret = /\$\{(?:env|input):/.test(value) || (value !== '' && (isSecretName(key) || looksSecret(value)));
  if (!secret) return undefined;
  // A name that says whose it is stays; API_KEY or args alone would be anybody's.
  return /^[A-Z][A-Z0-9]*_[A-Z0-9_]+$/.test(key) && !/^(?:API|ACCESS|AUTH)_(?:KEY|TOKEN)$/.test(key)
    ? key
    : upper(`${server}_${key === 'args' ? 'secret' : key}`);
}

function isSecretName(key: string): boolean {
  return isSecret(key) || /(?:api|access|auth|secret)[-_]?key|credential|passphrase|(?:_|-)pat$|^pat$/i.test(key);
}

/** Prefixes that providers put before what they give out, and URLs with a password in them. */
function looksSecret(value: string): boolean {
  return (
    /\b(?:sk-|ghp_|gho_|github_pat_|glpat-|xox[abp]-|AKIA|AIza|eyJ[\w-]{10,}\.)[\w-]{8,}/.test(value) ||
    /^Bearer \S+/i.test(value) ||
    /:\/\/[^/\s:@]+:[^/\s@]+@/.test(value)
  );
}

function behindMcpRemote(command: string, args: readonly string[]): string | undefined {
  const at = [command, ...args].findIndex((word) => /^(?:.*\/)?mcp-remote(?:@\S+)?$/.test(word));
  return at < 0 ? undefined : args.slice(at).find((word) => /^https?:\/\//.test(word));
}

/** `mcpServers` (Claude Desktop, Cursor), `servers` (mcp.json of VS Code) or `mcp.servers` (its settings). */
function serversOf(file: unknown): Entry {
  const mcp = isEntry(file) ? file.mcp : undefined;
  const places = isEntry(file) ? [file.mcpServers, file.servers, isEntry(mcp) ? mcp.servers : undefined] : [];
  const found = places.find(isEntry);
  if (found === undefined)
    throw new Error('it has no servers: neither mcpServers, servers nor mcp.servers is an object');
  return found;
}

/** JSON with the comments and trailing commas that editors allow. */
function parseLenient(text: string): unknown {
  const strings = /"(?:[^"\\]|\\.)*"/y;
  let plain = '';
  for (let at = 0; at < text.length; ) {
    strings.lastIndex = at;
    const string = strings.exec(text)?.[0];
    const comment =
      string === undefined ? /^(?:\/\/[^\n]*|\/\*[\s\S]*?\*\/)/.exec(text.slice(at, at + 10_000))?.[0] : '';
    if (string !== undefined) plain += string;
    else if (!comment) plain += text[at];
    at += (string ?? comment)?.length || 1;
  }
  try {
    return JSON.parse(plain.replace(/^\uFEFF/, '').replace(/("(?:[^"\\]|\\.)*")|,(\s*[}\]])/g, '$1$2'));
  } catch (cause) {
    throw new Error(`it is not JSON: ${(cause as Error).message.replace(/[.,]? *"[\s\S]*/, '')}`, { cause });
  }
}

function mapValues(entries: Entry, map: (value: unknown, key: string) => unknown): Entry {
  return Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, map(value, key)]));
}

function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
