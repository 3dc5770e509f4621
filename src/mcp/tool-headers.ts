/** Which arguments of which tool are repeated in headers, as one server lists its tools (TR-29). */

import { isObject, type Params, type Response, textOf } from './message.ts';
import { type Mirrored, mirroredOf } from './mirrored-headers.ts';

export interface ToolHeaders {
  of(tool: string): Promise<readonly Mirrored[]>;
  /** A list that somebody asked for: what it says is newer. */
  saw(tools: unknown): void;
}

/** Milliseconds before the list is asked for again because a tool was not on it. */
const again = 5000;
const most = 10_000;

/** `ask` sends a request of the gateway's own. The first call of a tool waits for the list; those after it do not. */
export function toolHeaders(ask: (method: string, params: Params) => Promise<Response>): ToolHeaders {
  let known = new Map<string, readonly Mirrored[]>();
  let listing: Promise<void> | undefined;
  let listedAt = Number.NEGATIVE_INFINITY;

  const remember = (tools: unknown, into = known) => {
    if (!Array.isArray(tools)) return;
    for (const tool of tools) {
      if (isObject(tool) && into.size < most) into.set(textOf(tool.name), mirroredOf(tool.inputSchema));
    }
  };

  const list = async () => {
    const all = new Map<string, readonly Mirrored[]>();
    let cursor: unknown;
    do {
      const { result } = await ask('tools/list', cursor === undefined ? {} : { cursor });
      if (!isObject(result)) break;
      remember(result.tools, all);
      cursor = result.nextCursor;
    } while (typeof cursor === 'string' && all.size < most);
    known = all;
    listedAt = Date.now();
  };

  return {
    async of(tool) {
      if (!known.has(tool) && Date.now() - listedAt > again) {
        listing ??= list().finally(() => {
          listing = undefined;
        });
        await listing;
      }
      return known.get(tool) ?? [];
    },
    saw: remember,
  };
}
