/** A rule's text, in the language of Traefik v3's HTTP routers, turned into a predicate and into what an index may know of it. */

import { type Matcher, matchers, nearestMatcher, type PathKey, type RuleRequest } from './matchers.ts';
import { RuleError } from './rule-error.ts';
import { type Token, tokens } from './rule-tokens.ts';

export interface Rule {
  readonly text: string;
  matches(request: RuleRequest): boolean;
  /** Host keys (`mcp.example.com`, `*.example.com`) one of which every matching request has; absent where the rule binds none. */
  readonly hosts?: ReadonlySet<string>;
  /** What a certificate for the hosts that the rule names bears; empty where it names none. */
  readonly names: readonly string[];
  /** Paths, or prefixes of paths, one of which every matching request has. */
  readonly paths?: readonly PathKey[];
  /** What works but may surprise: told by `check`. */
  readonly warnings: readonly string[];
}

type Node =
  | { readonly kind: 'and' | 'or'; readonly left: Node; readonly right: Node }
  | { readonly kind: 'not'; readonly node: Node }
  | { readonly kind: 'match'; readonly matcher: Matcher };

/** Throws `RuleError`, which says where the text is wrong and how to mend it. */
export function compileRule(text: string): Rule {
  const warnings: string[] = [];
  const tree = parse(text, warnings);
  const hosts = hostsOf(tree);
  const paths = pathsOf(tree);
  return {
    text,
    matches: predicate(tree),
    warnings,
    names: namesOf(tree),
    ...(hosts && { hosts }),
    ...(paths && { paths }),
  };
}

/** Go's precedence, which Traefik inherits: `!` before `&&` before `||`. */
function parse(text: string, warnings: string[]): Node {
  const list = tokens(text);
  let next = 0;
  const peek = (): Token => list[next] ?? { kind: 'end', text: '', position: text.length };
  const fail = (at: Token, message: string, hint: string): never => {
    throw new RuleError(text, at.position, message, hint);
  };
  const take = (kind: string, hint: string): Token => {
    const token = peek();
    if (token.kind !== kind) fail(token, `expected ${kind}, found ${shown(token)}`, hint);
    next++;
    return token;
  };
  const either = (): Node => {
    let left = both();
    while (peek().kind === '||') {
      next++;
      left = { kind: 'or', left, right: both() };
    }
    return left;
  };
  const both = (): Node => {
    let left = unary();
    while (peek().kind === '&&') {
      next++;
      left = { kind: 'and', left, right: unary() };
    }
    return left;
  };
  const unary = (): Node => {
    const token = peek();
    if (token.kind === '!') {
      next++;
      return { kind: 'not', node: unary() };
    }
    if (token.kind === '(') {
      next++;
      const inner = either();
      take(')', 'close the parenthesis');
      return inner;
    }
    return call();
  };
  const call = (): Node => {
    const name = take('name', 'write a matcher such as Host(`mcp.example.com`)');
    const kind = matchers.get(canonical(name.text));
    if (!kind) return fail(name, `no matcher is called ${name.text}`, nearestMatcher(name.text));
    take('(', `write ${kind.usage}`);
    const values: string[] = [];
    while (peek().kind !== ')') {
      if (values.length > 0) take(',', 'separate values by a comma');
      values.push(take('string', 'quote values with backticks or double quotes').text);
    }
    take(')', `write ${kind.usage}`);
    const [least, most] = kind.arity;
    if (values.length < least || values.length > most) {
      const several = values.length > most && most === 1;
      const v2 = several
        ? `; for several values join matchers: ${values.map((v) => `${kind.name}(\`${v}\`)`).join(' || ')}`
        : '';
      return fail(name, `${kind.name} takes ${arity(kind.arity)}, not ${values.length}`, `write ${kind.usage}${v2}`);
    }
    const built = kind.build(values);
    if ('fault' in built) return fail(name, built.fault, built.hint);
    if (built.warning) warnings.push(built.warning);
    return { kind: 'match', matcher: built };
  };
  const tree = either();
  if (peek().kind !== 'end') fail(peek(), `found ${shown(peek())} after the rule's end`, 'join matchers with && or ||');
  return tree;
}

/** Traefik takes a matcher's name as it is written in its documentation, and in all lower, all upper or title case. */
function canonical(name: string): string {
  if (matchers.has(name)) return name;
  const lower = name.toLowerCase();
  const title = lower.charAt(0).toUpperCase() + lower.slice(1);
  if (name !== lower && name !== lower.toUpperCase() && name !== title) return name;
  for (const known of matchers.keys()) if (known.toLowerCase() === lower) return known;
  return name;
}

function shown(token: Token): string {
  return token.kind === 'end' ? 'the end' : token.kind === 'string' ? `"${token.text}"` : token.text;
}

function arity([least, most]: readonly [number, number]): string {
  return least === most ? `${least} value${least === 1 ? '' : 's'}` : `${least} to ${most} values`;
}

function predicate(node: Node): (request: RuleRequest) => boolean {
  if (node.kind === 'match') return node.matcher.matches;
  if (node.kind === 'not') {
    const inner = predicate(node.node);
    return (request) => !inner(request);
  }
  const left = predicate(node.left);
  const right = predicate(node.right);
  return node.kind === 'and'
    ? (request) => left(request) && right(request)
    : (request) => left(request) || right(request);
}

function hostsOf(node: Node): ReadonlySet<string> | undefined {
  if (node.kind === 'match') return node.matcher.host === undefined ? undefined : new Set([node.matcher.host]);
  if (node.kind === 'not') return undefined;
  const left = hostsOf(node.left);
  const right = hostsOf(node.right);
  if (node.kind === 'and') return left && right ? (left.size <= right.size ? left : right) : (left ?? right);
  return left && right && new Set([...left, ...right]);
}

function namesOf(node: Node): readonly string[] {
  if (node.kind === 'match') return [node.matcher.host ?? node.matcher.wildcard ?? []].flat();
  return node.kind === 'not' ? [] : [...namesOf(node.left), ...namesOf(node.right)];
}

function pathsOf(node: Node): readonly PathKey[] | undefined {
  if (node.kind === 'match') return node.matcher.path && [node.matcher.path];
  if (node.kind === 'not') return undefined;
  const left = pathsOf(node.left);
  const right = pathsOf(node.right);
  if (node.kind === 'and') return left && right ? (left.length <= right.length ? left : right) : (left ?? right);
  return left && right && [...left, ...right];
}
