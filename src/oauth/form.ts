/** The parameters of an OAuth request, from a query or an urlencoded body. */

import type { Exchange } from '../router/handler.ts';
import { OAuthError } from './errors.ts';

export interface Parameters {
  /** The value, or undefined where it is absent or empty. */
  get(name: string): string | undefined;
  /** As `get`, but refuses with invalid_request where there is none. */
  require(name: string): string;
  /** RFC 8707 §2: the one parameter that may be sent several times. */
  readonly resources: readonly string[];
}

/** Generous for a signed client assertion, small for an attacker. In bytes. */
const formLimit = 32 * 1024;

/** Refuses with invalid_request what is sent twice. A leading question mark is no part of the text. */
export function parameters(text: string): Parameters {
  const values = new Map<string, string>();
  const resources: string[] = [];
  for (const [name, value] of new URLSearchParams(text)) {
    // RFC 6749 §3.1: a parameter without a value counts as omitted.
    if (value === '') continue;
    if (name === 'resource') {
      resources.push(value);
      continue;
    }
    // RFC 6749 §3.1, §3.2: no parameter more than once.
    if (values.has(name)) throw new OAuthError('invalid_request', `The parameter ${name} was sent more than once`);
    values.set(name, value);
  }
  const get = (name: string) => values.get(name);
  return {
    get,
    resources,
    require(name) {
      const value = get(name);
      if (value === undefined) throw new OAuthError('invalid_request', `The parameter ${name} is missing`);
      return value;
    },
  };
}

/** Reads the body of a POST. RFC 6749 §3.2: parameters come urlencoded in the body and from nowhere else. */
export async function form(exchange: Exchange): Promise<Parameters> {
  const type = exchange.req.headers['content-type'] ?? '';
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) {
    throw new OAuthError('invalid_request', 'The body must be application/x-www-form-urlencoded');
  }
  return parameters((await exchange.body(formLimit)).toString('utf8'));
}
