/** Bytes to lines, for a peer that may split anywhere, also within a character, and may never end a line. */

const newline = 0x0a;
const carriageReturn = 0x0d;
const edge = 1024;

export interface LineEvents {
  /** One line without its end, never empty. It may share memory with the chunk it came in. */
  line(line: Buffer): void;
  /** A line that was longer than the limit, thrown away but for its first and last kilobyte. */
  overflow(line: { readonly head: Buffer; readonly tail: Buffer; readonly size: number }): void;
}

export interface Lines {
  push(chunk: Buffer): void;
  /** The stream is over: what is left counts as a line. */
  end(): void;
}

/** `limit` in bytes. Chunks are joined once per line, so a long line costs time linear in its length. */
export function lines(limit: number, events: LineEvents): Lines {
  let parts: Buffer[] = [];
  let size = 0;
  let head: Buffer | undefined;
  let tail: Buffer = Buffer.alloc(0);

  const hold = (part: Buffer) => {
    size += part.length;
    parts.push(part);
    if (size <= limit) return;
    const kept = Buffer.concat(parts);
    head ??= Buffer.from(kept.subarray(0, edge));
    tail = Buffer.from(Buffer.concat([tail, kept.subarray(-edge)]).subarray(-edge));
    parts = [];
  };

  const finish = () => {
    const [first] = parts;
    if (head) events.overflow({ head, tail, size });
    else if (first) emit(parts.length === 1 ? first : Buffer.concat(parts, size));
    parts = [];
    size = 0;
    head = undefined;
    tail = Buffer.alloc(0);
  };

  const emit = (line: Buffer) => {
    const text = line[line.length - 1] === carriageReturn ? line.subarray(0, -1) : line;
    if (text.length > 0) events.line(text);
  };

  return {
    push(chunk) {
      let from = 0;
      for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
        const part = chunk.subarray(from, at);
        if (size === 0 && part.length <= limit) emit(part);
        else {
          hold(part);
          finish();
        }
        from = at + 1;
      }
      if (from < chunk.length) hold(chunk.subarray(from));
    },
    end: finish,
  };
}
