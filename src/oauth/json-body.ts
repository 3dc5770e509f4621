/** A JSON request body, read within a limit. */

import type { Exchange } from '../router/handler.ts';
import { type ErrorCode, OAuthError } from './errors.ts';

/** `limit` in bytes. Refuses with 400 and the given code what is not a JSON object. */
export async function jsonBody(exchange: Exchange, limit: number, code: ErrorCode): Promise<Record<string, unknown>> {
  const type = exchange.req.headers['content-type'] ?? '';
  if (!/^application\/json\s*(;|$)/i.test(type)) throw new OAuthError(code, 'The body must be application/json');
  let value: unknown;
  try {
    value = JSON.parse((await exchange.body(limit)).toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw new OAuthError(code, 'The body is not JSON', { cause: error });
    throw error;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OAuthError(code, 'The body must be a JSON object');
  }
  return value as Record<string, unknown>;
}
