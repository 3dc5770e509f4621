/** What a server sends as `text/event-stream`: WHATWG HTML §9.2.6, as far as MCP uses it. */

export interface ServerSentEvent {
  /** The name that the server gave it. */
  readonly event?: string;
  /** The lines of `data`, joined; empty for an event that only carries an id. */
  readonly data: string;
  readonly id?: string;
  /** Milliseconds to wait before reconnecting. */
  readonly retry?: number;
}

/** The stream sent an event of more bytes than are allowed. */
export class EventTooLong extends Error {
  override readonly name = 'EventTooLong';
}

/** `limit` in characters of one event. Throws EventTooLong, and whatever the stream fails with. */
export async function* serverSentEvents(
  chunks: AsyncIterable<Buffer>,
  limit: number,
): AsyncGenerator<ServerSentEvent, void, void> {
  const decoder = new TextDecoder();
  let rest: string[] = [];
  let held = 0;
  let data: string[] = [];
  let size = 0;
  let event: string | undefined;
  let id: string | undefined;
  let retry: number | undefined;
  let afterReturn = false;

  const take = (line: string): ServerSentEvent | undefined => {
    if (line === '') {
      const whole = {
        data: data.join('\n'),
        ...(event !== undefined && { event }),
        ...(id !== undefined && { id }),
        ...(retry !== undefined && { retry }),
      };
      const empty = data.length === 0 && id === undefined && retry === undefined;
      data = [];
      size = 0;
      event = undefined;
      id = undefined;
      retry = undefined;
      return empty ? undefined : whole;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') {
      data.push(value);
      size += value.length;
    } else if (field === 'event') event = value;
    else if (field === 'id' && !value.includes('\0')) id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) retry = Number(value);
    return undefined;
  };

  for await (const chunk of chunks) {
    let text = decoder.decode(chunk, { stream: true });
    // A line may end in CR, LF or both, and a chunk between the two.
    if (afterReturn && text.startsWith('\n')) text = text.slice(1);
    if (text === '') continue;
    afterReturn = text.endsWith('\r');
    const parts = text.split(/\r\n|\r|\n/);
    const last = parts.pop() ?? '';
    for (const [index, part] of parts.entries()) {
      const found = take(index === 0 && rest.length > 0 ? rest.join('') + part : part);
      if (index === 0) {
        rest = [];
        held = 0;
      }
      if (found) yield found;
    }
    if (last !== '') rest.push(last);
    held += last.length;
    if (size + held > limit) throw new EventTooLong('an event is longer than allowed');
  }
}
