/** What a probe found: one line for the operator, with the mend where something is wrong. */

export interface Finding {
  readonly what: string;
  readonly verdict: 'ok' | 'warning' | 'fault';
  readonly detail: string;
}

export const ok = (what: string, detail: string): Finding => ({ what, verdict: 'ok', detail });
export const warning = (what: string, detail: string): Finding => ({ what, verdict: 'warning', detail });
export const fault = (what: string, detail: string): Finding => ({ what, verdict: 'fault', detail });

/** The innermost reason: fetch wraps what really happened. */
export function reasonOf(error: unknown): { readonly code: string; readonly text: string } {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  const code = inner instanceof Error && 'code' in inner ? String(inner.code) : '';
  const text = inner instanceof Error ? inner.message || inner.name : String(inner);
  return { code, text: text || code };
}
