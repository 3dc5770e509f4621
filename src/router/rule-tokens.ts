/** A rule's text as tokens. */

import { RuleError } from './rule-error.ts';

export interface Token {
  readonly kind: '(' | ')' | ',' | '!' | '&&' | '||' | 'name' | 'string' | 'end';
  /** A string's value, else the token as written. */
  readonly text: string;
  readonly position: number;
}

/** A mark, a name or a string. */
const shape = /(&&|\|\||[!(),])|([A-Za-z][A-Za-z0-9]*)|`[^`]*`|"(?:[^"\\\n]|\\.)*"/y;

const escapes: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', n: '\n', r: '\r', t: '\t' };

export function tokens(text: string): Token[] {
  const list: Token[] = [];
  for (let position = skipBlanks(text, 0); position < text.length; ) {
    const token = tokenAt(text, position);
    list.push({ ...token, text: token.kind === 'string' ? unquote(text, token) : token.text });
    position = skipBlanks(text, position + token.text.length);
  }
  return list;
}

function tokenAt(text: string, position: number): Token {
  shape.lastIndex = position;
  const found = shape.exec(text);
  if (found) {
    const [whole, mark, name] = found;
    const kind = (mark as Token['kind'] | undefined) ?? (name === undefined ? 'string' : 'name');
    return { kind, text: whole, position };
  }
  const character = text.charAt(position);
  throw new RuleError(text, position, `unexpected ${character}`, hintFor(character));
}

function hintFor(character: string): string {
  if (character === "'") return 'quote values with backticks or double quotes';
  if (character === '`' || character === '"') return 'close the quote';
  if (character === '&' || character === '|') return 'join matchers with && or ||';
  if (character === '{') return 'placeholders are the syntax of Traefik v2; use HostRegexp or PathRegexp';
  return 'a rule is made of matchers such as Host(`mcp.example.com`), &&, ||, ! and parentheses';
}

function unquote(rule: string, { text, position }: Token): string {
  const inner = text.slice(1, -1);
  if (text.startsWith('`')) return inner;
  return inner.replace(/\\(.)/g, (_, character: string) => {
    const value = escapes[character];
    if (value !== undefined) return value;
    throw new RuleError(
      rule,
      position,
      `unknown escape \\${character}`,
      'write the value between backticks, where nothing is escaped',
    );
  });
}

function skipBlanks(text: string, position: number): number {
  let at = position;
  while (/\s/.test(text.charAt(at))) at++;
  return at;
}
