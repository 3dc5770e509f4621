/** Operations on the running gateway by their names: what the admin socket and the page have in common. */

import { Refusal, refusal } from '../router/handler.ts';

export interface Asked {
  /** What stands in the path where the operation has a `*`, decoded. */
  readonly name: string;
  /** The JSON object that was sent; empty where none was. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** By `METHOD /path`; a last segment `*` stands for any name. What it answers is sent as JSON, or line by line. */
export type Operations = Readonly<Record<string, (asked: Asked) => Promise<object> | object | AsyncIterable<string>>>;

/** Why it was not done. The operator hears what went wrong: nobody else can ask. */
export function failure(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  return refusal(500, 'failed', error instanceof Error ? error.message : String(error), { cause: error });
}

/** Refuses with 400 what is no JSON object. */
export function jsonObject(bytes: Buffer): Asked['body'] {
  if (bytes.length === 0) return {};
  const value = parsed(bytes.toString('utf8'));
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refusal(400, 'invalid_request', 'the request is no JSON object');
  return value as Asked['body'];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
