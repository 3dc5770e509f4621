/** Go's regular expressions, which Traefik's configurations are written in, as JavaScript's, without what can run for ever. */

export class RegexpError extends Error {
  readonly hint: string;
  constructor(pattern: string, reason: string, hint: string) {
    super(`the regular expression ${pattern} ${reason}`);
    this.name = 'RegexpError';
    this.hint = hint;
  }
}

/** Throws `RegexpError`. Like Go's, it matches anywhere unless anchored. */
export function goRegexp(pattern: string): RegExp {
  const lookaround = /\(\?<?[=!]/.exec(pattern) ?? /(?<!\\)(?:\\\\)*\\(?:[1-9]|k<)/.exec(pattern);
  if (lookaround) {
    throw new RegexpError(
      pattern,
      `uses ${lookaround[0]}, which Go does not know`,
      'write it without lookaround and back references',
    );
  }
  const nested = ambiguousRepetition(pattern);
  if (nested) {
    throw new RegexpError(
      pattern,
      `repeats ${nested}, which itself repeats`,
      'write it without nesting: some inputs would take for ever',
    );
  }
  const inline = /^\(\?([ims]+)\)/.exec(pattern);
  const source = pattern
    .slice(inline?.[0].length ?? 0)
    .replaceAll('(?P<', '(?<')
    .replace(/(?<!\\)((?:\\\\)*)\\A/g, '$1^')
    .replace(/(?<!\\)((?:\\\\)*)\\z/g, '$1$');
  try {
    return new RegExp(source, inline?.[1] ?? '');
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^Invalid regular expression: /, '') : String(error);
    throw new RegexpError(
      pattern,
      `cannot be read (${reason})`,
      'try it in a regular expression tester for Go or JavaScript',
    );
  }
}

/**
 * Go's engine takes linear time, JavaScript's can take exponential time where a repeated group repeats inside. Allowed is
 * the one common shape that cannot be split in two ways: a class repeated up to a character outside it, `([a-z0-9-]+\.)*`.
 */
function ambiguousRepetition(pattern: string): string | undefined {
  const plain = pattern.replace(/\\./g, (pair) => (/[()[\]{}+*?|]/.test(pair.charAt(1)) ? '\\_' : pair));
  const open: number[] = [];
  let inClass = false;
  for (let at = 0; at < plain.length; at++) {
    const character = plain.charAt(at);
    if (character === '\\') at++;
    else if (inClass) inClass = character !== ']';
    else if (character === '[') inClass = true;
    else if (character === '(') open.push(at);
    else if (character === ')') {
      const start = open.pop();
      if (start === undefined || !/^[+*]|^\{\d+,\d*\}/.test(plain.slice(at + 1))) continue;
      const body = plain.slice(start + 1, at).replace(/^\?(?::|P?<\w+>)/, '');
      const outside = body.replace(/\\./g, '_').replace(/\[[^\]]*\]/g, '_');
      if (/[+*]|\{\d+,\d*\}|\|/.test(outside) && !isDelimited(pattern.slice(start + 1, at)))
        return pattern.slice(start, at + 1);
    }
  }
  return undefined;
}

function isDelimited(body: string): boolean {
  const [, repeated, delimiter] = /^(?:\?:)?(\[[^\]]+\]|\\[dw])[+*](\\[./-]|[-/:_,])$/.exec(body) ?? [];
  return repeated !== undefined && delimiter !== undefined && !new RegExp(repeated).test(delimiter.slice(-1));
}
