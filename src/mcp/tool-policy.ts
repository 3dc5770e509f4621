/** Which tools of a server are listed and may be called, judged on the message that was parsed. */

import { elements, find, splice } from './json-text.ts';
import { errorResponse, isObject, type Request, type Response, rpcCode } from './message.ts';

export interface ToolPolicy {
  /** The answer to a call that is not allowed; undefined where it is. */
  refuse(request: Request): Buffer | undefined;
  /** A tools/list answer without the tools that are not allowed; every other byte stays. */
  filter(response: Response): Buffer;
}

/** `allow` absent allows all; `deny` goes before `allow`. `*` in a pattern stands for any run of characters. */
export function toolPolicy(rules: {
  readonly allow?: readonly string[] | undefined;
  readonly deny: readonly string[];
}): ToolPolicy {
  const allow = rules.allow && matcher(rules.allow);
  const deny = matcher(rules.deny);
  const allowed = (name: unknown) => typeof name === 'string' && !deny(name) && (allow === undefined || allow(name));
  const open = rules.allow === undefined && rules.deny.length === 0;

  return {
    refuse(request) {
      if (open || request.method !== 'tools/call') return undefined;
      const { name } = request.params;
      if (allowed(name)) return undefined;
      const text = typeof name === 'string' ? `Unknown tool: ${name}` : '"params.name" must be a string';
      return errorResponse(request.id, rpcCode.invalidParams, text);
    },
    filter(response) {
      const tools = isObject(response.result) ? response.result.tools : undefined;
      if (open || !Array.isArray(tools)) return response.bytes;
      const span = find(response.bytes, ['result', 'tools']);
      if (!span) return response.bytes;
      const kept = elements(response.bytes, span.start)
        .filter((_, i) => allowed((tools[i] as { name?: unknown } | null)?.name))
        .map(({ start, end }) => response.bytes.toString('utf8', start, end));
      return splice(response.bytes, [{ ...span, text: `[${kept.join(',')}]` }]);
    },
  };
}

function matcher(patterns: readonly string[]): (name: string) => boolean {
  const tests = patterns.map((pattern) => {
    const source = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${source.join('[^]*')}$`, 'u');
  });
  return (name) => tests.some((test) => test.test(name));
}
