/** A request's target, settled once: the same string is routed, guarded and forwarded. RFC 9112 §3.2, RFC 3986 §6.2.2. */

export interface RequestTarget {
  readonly path: string;
  /** With its question mark, or empty. */
  readonly query: string;
  /** Of a target in absolute form. */
  readonly authority?: string;
}

/** Nothing in it needs a second look: no escape, no dot segment, no empty segment. */
const settled = /^(?:\/[\w~!$&'()*+,;=:@-][\w~!$&'()*+,;=:@.-]*)*\/?$/;
const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/i;
// Bytes 0x80 to 0xff reach us as one Latin-1 character each.
const highBytes = /[\x80-\xff]/g;

/** A reason where the target is refused. */
export function requestTarget(target: string): RequestTarget | { readonly fault: string } {
  if (target.startsWith('/')) return originForm(target);
  const absolute = absoluteForm.exec(target);
  if (!absolute) return { fault: 'the request target is neither a path nor an http URL' };
  const [, authority = '', rest = ''] = absolute;
  const parts = originForm(rest.startsWith('/') ? rest : `/${rest}`);
  return 'fault' in parts ? parts : { ...parts, authority };
}

function originForm(target: string): RequestTarget | { readonly fault: string } {
  const mark = target.indexOf('?');
  const rawPath = mark === -1 ? target : target.slice(0, mark);
  const rawQuery = mark === -1 ? '' : target.slice(mark);
  if (rawQuery !== '' && /[#\0-\x20\x7f]/.test(rawQuery))
    return { fault: 'the query holds a character that must be encoded' };
  const query = rawQuery === '' ? '' : encodeHighBytes(rawQuery);
  if (settled.test(rawPath)) return { path: rawPath, query };
  const path = normalised(rawPath);
  return typeof path === 'string' ? { path, query } : path;
}

function normalised(raw: string): string | { readonly fault: string } {
  // RFC 3986 §3.3: these stand in no path; lenient servers read them as something else.
  if (/[#\\\0-\x20\x7f]/.test(raw)) return { fault: 'the path holds a character that must be encoded' };
  if (/%(?![0-9a-f]{2})/i.test(raw)) return { fault: 'the path holds a broken percent-encoding' };
  if (/%00/.test(raw)) return { fault: 'the path holds an encoded NUL' };
  const path = encodeHighBytes(raw).replace(/%[0-9a-f]{2}/gi, unescapeUnreserved);
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '.' && segment !== '') segments.push(segment);
  }
  const directory = /\/\.{0,2}$/.test(path) && segments.length > 0;
  return `/${segments.join('/')}${directory ? '/' : ''}`;
}

/** RFC 3986 §6.2.2.2: unreserved characters are decoded, the others keep their escape, in upper case. */
function unescapeUnreserved(triplet: string): string {
  const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
  return /[\w.~-]/.test(character) ? character : triplet.toUpperCase();
}

function encodeHighBytes(text: string): string {
  return text.replace(highBytes, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Encoded separators and a twice-encoded percent: what stands behind a guard may read them differently from us. */
export function hasEncodedSeparator(path: string): boolean {
  return path.includes('%') && /%(?:2F|5C|00|25)/.test(path);
}
