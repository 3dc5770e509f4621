/** Asking an identity provider: bounded in time and size, never redirected, failures told apart from answers. */

import { LoginFailed } from './identity-provider.ts';

const timeout = 10_000;
const longestAnswer = 1024 * 1024;

export interface ProviderAnswer {
  readonly status: number;
  /** Undefined where the body is not JSON. */
  readonly json: unknown;
}

/** Any answer below 500. Throws LoginFailed where `provider` does not answer within 10 s, or answers 5xx. */
export async function askProvider(provider: string, url: URL, init: RequestInit): Promise<ProviderAnswer> {
  const unreachable = (cause: unknown) =>
    new LoginFailed('failed', `${provider} could not be reached. Try again in a moment.`, { cause });
  try {
    const response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(timeout) });
    const text = await boundedText(response);
    if (response.status >= 500) throw new Error(`${url.origin}${url.pathname} answered ${response.status}`);
    return { status: response.status, json: parsed(text) };
  } catch (cause) {
    throw unreachable(cause);
  }
}

async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > longestAnswer) throw new Error(`the answer is longer than ${longestAnswer} characters`);
  }
  return text + decoder.decode();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
