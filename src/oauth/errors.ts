/** An OAuth error and its renderings: JSON here, on a redirect (RFC 6749 §4.1.2.1), and in a challenge (RFC 6750 §3). */

import { Refusal, type Reply } from '../router/handler.ts';

/** The registered error codes we answer with; each RFC's own list, one word each. */
export type ErrorCode =
  // RFC 6749 §4.1.2.1 and §5.2
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'
  | 'access_denied'
  | 'server_error'
  | 'temporarily_unavailable'
  // RFC 6750 §3.1
  | 'invalid_token'
  | 'insufficient_scope'
  // RFC 7009 §2.2.1
  | 'unsupported_token_type'
  // RFC 7591 §3.2.2
  | 'invalid_redirect_uri'
  | 'invalid_client_metadata'
  // RFC 8628 §3.5
  | 'authorization_pending'
  | 'slow_down'
  | 'expired_token'
  // RFC 8707 §2
  | 'invalid_target'
  // OpenID Connect Core §3.1.2.6
  | 'login_required'
  | 'consent_required'
  | 'interaction_required';

const statusOf: Partial<Record<ErrorCode, number>> = {
  invalid_client: 401,
  invalid_token: 401,
  insufficient_scope: 403,
  access_denied: 403,
  server_error: 500,
  temporarily_unavailable: 503,
};

export interface OAuthErrorOptions extends ErrorOptions {
  /** Overrides the code's usual status. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** RFC 6749 §5.2: answered as JSON `{error, error_description}`, never cached. The cause is only logged. */
export class OAuthError extends Refusal {
  readonly code: ErrorCode;
  readonly description: string;

  constructor(code: ErrorCode, description: string, options: OAuthErrorOptions = {}) {
    const { status, headers, ...rest } = options;
    const text = printable(description);
    const reply: Reply = {
      status: status ?? statusOf[code] ?? 400,
      headers: { ...noStore, ...headers },
      body: { error: code, error_description: text },
    };
    super(`${code}: ${text}`, reply, rest);
    this.name = 'OAuthError';
    this.code = code;
    this.description = text;
  }
}

/** RFC 6749 §5.1: what carries a token, a code or a secret, or says why there is none, is stored by no cache. */
export const noStore = { 'cache-control': 'no-store' } as const;

/** RFC 6749 §5.2: an error_description holds printable ASCII without `"` and `\`; so it also fits in a header. */
function printable(text: string): string {
  return text
    .replaceAll('"', "'")
    .replaceAll('\\', '/')
    .replace(/[^\x20-\x7e]/g, '?');
}

/**
 * RFC 6749 §4.1.2: the redirect URI with the answer's parameters added to whatever query it already has.
 * `iss` is always among them (RFC 9207 §2), `state` exactly as it came or not at all.
 */
export function redirectBack(
  redirectUri: string,
  answer: { readonly iss: string; readonly state?: string | undefined } & Readonly<Record<string, string | undefined>>,
): Reply {
  const added = new URLSearchParams();
  for (const [name, value] of Object.entries(answer)) if (value !== undefined) added.append(name, value);
  // Not by the URL API: the URI goes back character for character as it was registered.
  const location = `${redirectUri}${redirectUri.includes('?') ? (/[?&]$/.test(redirectUri) ? '' : '&') : '?'}${added}`;
  return { status: 303, headers: { ...noStore, location, 'referrer-policy': 'no-referrer' } };
}

/** RFC 6749 §4.1.2.1: the same error, told to the client by way of the browser. */
export function redirectError(
  error: OAuthError,
  to: { readonly redirectUri: string; readonly issuer: string; readonly state?: string | undefined },
): Reply {
  return redirectBack(to.redirectUri, {
    error: error.code,
    error_description: error.description,
    state: to.state,
    iss: to.issuer,
  });
}
