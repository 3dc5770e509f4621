/** Who may log in: the ways to prove it, and what each of them tells about a person. */

import type { Identity } from '../grants.ts';

/** What every way to log in has. */
interface WayToLogIn {
  /** As in the configuration, `github`; the part of a subject before the colon. */
  readonly name: string;
  /** Whether the allow list as it is now still lets this person in; asked at each refresh. */
  stillAllowed(identity: Identity): Promise<boolean>;
}

/** One round trip: send the browser away, learn who came back. */
export interface IdentityProvider extends WayToLogIn {
  readonly kind: 'redirect';
  /** For people: "GitHub". */
  readonly title: string;
  /** Where the browser is sent. */
  authorizationUrl(request: ProviderRequest): Promise<URL>;
  /** Who came back. Throws LoginFailed. */
  identify(callback: ProviderCallback): Promise<Identity>;
}

export interface ProviderRequest {
  readonly state: string;
  readonly redirectUri: string;
  readonly codeChallenge: string;
  readonly nonce: string;
  /** The person asked to log in anew or as someone else. */
  readonly fresh: boolean;
}

export interface ProviderCallback {
  readonly parameters: URLSearchParams;
  readonly redirectUri: string;
  readonly codeVerifier: string;
  readonly nonce: string;
}

/** User name and password, typed on our own page. */
export interface PasswordProvider extends WayToLogIn {
  readonly kind: 'password';
  /** Who typed them. Throws LoginFailed; the answer is the same for a wrong password and for an unknown name. */
  identify(credentials: { username: string; password: string; clientAddress: string }): Promise<Identity>;
}

export type LoginProvider = IdentityProvider | PasswordProvider;

/**
 * Nobody was identified. The message is shown to the person and says what they can do; the cause is for the log alone.
 * `cancelled`: they changed their mind. `refused`: known, and not allowed. `failed`: the provider or the credentials did.
 */
export class LoginFailed extends Error {
  override readonly name = 'LoginFailed';
  readonly reason: 'cancelled' | 'refused' | 'failed';
  /** Seconds to wait before trying again. */
  readonly retryAfter: number | undefined;
  constructor(
    reason: 'cancelled' | 'refused' | 'failed',
    message: string,
    options: ErrorOptions & { retryAfter?: number } = {},
  ) {
    super(message, options);
    this.reason = reason;
    this.retryAfter = options.retryAfter;
  }
}

/** Allow lists are compared without case or surrounding space. `"*"` is everybody; an empty list is nobody. */
export function allowList(entries: readonly string[] = []): ReadonlySet<string> {
  return new Set(entries.map((entry) => entry.trim().toLowerCase()).filter((entry) => entry !== ''));
}
