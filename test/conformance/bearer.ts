/**
 * Loaded before the official suite, which has no option for a token: every request it makes to one origin, by whichever
 * HTTP client of its own, carries ours. CONFORMANCE_ORIGIN and CONFORMANCE_TOKEN say which and what.
 */

import http from 'node:http';
import { createRequire } from 'node:module';

const { CONFORMANCE_ORIGIN: origin, CONFORMANCE_TOKEN: token } = process.env;
if (origin && token) everyRequestCarries(origin, `Bearer ${token}`);

function everyRequestCarries(ours: string, authorization: string): void {
  const { fetch } = globalThis;
  globalThis.fetch = (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.origin !== ours) return fetch(input, init);
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    if (!headers.has('authorization')) headers.set('authorization', authorization);
    return fetch(input, { ...init, headers });
  };

  // The suite's own undici, found from where the suite lies.
  const undici = createRequire(process.argv[1] ?? import.meta.url)('undici') as typeof import('undici');
  const withToken = undici.getGlobalDispatcher().compose((dispatch) => (options, handler) => {
    const { headers } = options;
    if (String(options.origin) !== ours || Array.isArray(headers) || has(headers)) return dispatch(options, handler);
    return dispatch({ ...options, headers: { ...(headers as Record<string, string>), authorization } }, handler);
  });
  undici.setGlobalDispatcher(withToken);

  const { request } = http;
  http.request = ((...args: Parameters<typeof request>) => {
    const [target, second] = args as unknown[];
    const options = (typeof second === 'object' ? second : target) as http.RequestOptions;
    const url =
      target instanceof URL || typeof target === 'string'
        ? new URL(target)
        : new URL(`http://${options.hostname ?? options.host}:${options.port ?? 80}`);
    if (url.origin === ours && !Array.isArray(options.headers) && !has(options.headers)) {
      options.headers = { ...(options.headers as http.OutgoingHttpHeaders), Authorization: authorization };
    }
    return request(...args);
  }) as typeof request;
}

/** Also true of header lists that we cannot add to. */
function has(headers: unknown): boolean {
  if (typeof headers !== 'object' || headers === null) return false;
  return Symbol.iterator in headers || Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
}
