/**
 * Where values lie in JSON text that JSON.parse has already accepted. It lets one member be replaced and every other
 * byte be kept: integers beyond 2^53, unknown members and the order of keys survive.
 */

export interface Span {
  /** Byte offsets; `end` is exclusive. */
  readonly start: number;
  readonly end: number;
}

export interface Member extends Span {
  readonly key: string;
}

export interface Edit extends Span {
  readonly text: string | Buffer;
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
/** Bytes of a string beyond which its end is looked for outside JavaScript. */
const near = 100;

/** Of the object that starts at or after `at`; none where another kind of value stands there. */
export function members(text: Buffer, at = 0): Member[] {
  const found: Member[] = [];
  let i = skipSpace(text, at);
  if (text[i] !== 0x7b) return found;
  i = skipSpace(text, i + 1);
  while (i < text.length && text[i] !== 0x7d) {
    const keyEnd = endOfString(text, i);
    const key = keyIn(text, i, keyEnd);
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = endOfValue(text, start);
    found.push({ key, start, end });
    i = skipSpace(text, end);
    if (text[i] === comma) i = skipSpace(text, i + 1);
  }
  return found;
}

/** Of the array that starts at or after `at`. */
export function elements(text: Buffer, at = 0): Span[] {
  const found: Span[] = [];
  let i = skipSpace(text, at);
  if (text[i] !== 0x5b) return found;
  i = skipSpace(text, i + 1);
  while (i < text.length && text[i] !== 0x5d) {
    const end = endOfValue(text, i);
    found.push({ start: i, end });
    i = skipSpace(text, end);
    if (text[i] === comma) i = skipSpace(text, i + 1);
  }
  return found;
}

/** The member that JSON.parse would take: the last of that name. */
export function find(text: Buffer, path: readonly string[]): Span | undefined {
  let span: Span | undefined = { start: 0, end: text.length };
  for (const key of path) {
    if (span === undefined) return undefined;
    span = members(text, span.start).findLast((member) => member.key === key);
  }
  return span;
}

/** Non-overlapping edits, in any order. */
export function splice(text: Buffer, edits: readonly Edit[]): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (const edit of edits.toSorted((a, b) => a.start - b.start)) {
    parts.push(text.subarray(from, edit.start));
    parts.push(typeof edit.text === 'string' ? Buffer.from(edit.text) : edit.text);
    from = edit.end;
  }
  parts.push(text.subarray(from));
  return Buffer.concat(parts);
}

/** What U+2028 and U+2029 have in common. */
const separator = Buffer.from([0xe2, 0x80]);

/**
 * A raw line break in valid JSON can only be space between tokens, so a space may stand for it. U+2028 and U+2029 stand in
 * strings alone, and are escaped there: servers that read lines with Node's readline would take what follows for another
 * message, which nobody has judged.
 */
export function oneLine(text: Buffer): Buffer {
  const line = text.includes(separator) ? Buffer.from(text.toString().replace(/[\u2028\u2029]/g, escaped)) : text;
  if (!line.includes(0x0a) && !line.includes(0x0d)) return line;
  const copy = Buffer.from(line);
  for (let i = 0; i < copy.length; i++) if (copy[i] === 0x0a || copy[i] === 0x0d) copy[i] = 0x20;
  return copy;
}

const escaped = (separator: string) => (separator === '\u2028' ? '\\u2028' : '\\u2029');

function skipSpace(text: Buffer, at: number): number {
  let i = at;
  while (text[i] === 0x20 || text[i] === 0x0a || text[i] === 0x0d || text[i] === 0x09) i++;
  return i;
}

/** With its quotes. */
function keyIn(text: Buffer, start: number, end: number): string {
  const key = text.toString('utf8', start + 1, end - 1);
  return key.includes('\\') ? JSON.parse(`"${key}"`) : key;
}

/** `at` is the opening quote. A quote ends the string where an even number of backslashes stands before it. */
function endOfString(text: Buffer, at: number): number {
  let i = at + 1;
  for (const stop = Math.min(text.length, at + near); i < stop; i++) {
    const byte = text[i];
    if (byte === quote) return i + 1;
    if (byte === backslash) i++;
  }
  for (let end = text.indexOf(quote, i); end >= 0; end = text.indexOf(quote, end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === backslash) slashes++;
    if (slashes % 2 === 0) return end + 1;
  }
  return text.length;
}

/** Counts depth instead of recursing: nesting costs no stack. */
function endOfValue(text: Buffer, at: number): number {
  if (text[at] === quote) return endOfString(text, at);
  let depth = 0;
  let i = at;
  while (i < text.length) {
    const byte = text[i] ?? 0;
    if (byte === quote) {
      i = endOfString(text, i);
      continue;
    }
    if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) {
      if (depth === 0) return i;
      depth--;
      if (depth === 0) return i + 1;
    } else if (depth === 0 && (byte === comma || byte <= 0x20)) return i;
    i++;
  }
  return i;
}
