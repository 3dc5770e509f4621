/** Who is logged in with this browser, and the round trip to an identity provider (OAuth 2.1, with us as the client). */

import type { IncomingMessage } from 'node:http';
import type { Exchange } from '../router/handler.ts';
import { collection, type Store } from '../store/store.ts';
import type { Browser, BrowserOf } from './browser.ts';
import { cookie } from './cookies.ts';
import type { Identity } from './grants.ts';
import { type IdentityProvider, LoginFailed, type LoginProvider } from './identity/identity-provider.ts';
import { hashed, newSecret } from './secrets.ts';

export interface Login {
  readonly identity: Identity;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface Logins {
  /** The live login of this browser whose person is still allowed. */
  current(req: IncomingMessage): Promise<Login | undefined>;
  /** A login of its own for this browser; the former one ends. Answers the headers that carry its cookie. */
  begin(req: IncomingMessage, identity: Identity): Promise<SetCookie>;
  end(req: IncomingMessage): Promise<SetCookie>;
}

export type SetCookie = Readonly<Record<'set-cookie', readonly string[]>>;

/** A working day, in seconds; after it a person logs in again. */
const loginLifetime = 12 * 3600;

/** `login:<SHA-256 of the cookie>` */
export function logins(store: Store, publicUrl: URL, stillAllowed: StillAllowed): Logins {
  const loginCookie = cookie(publicUrl, 'login');
  const kept = collection<Login>(store, 'login');
  const idOf = (req: IncomingMessage) => {
    const token = loginCookie.read(req);
    return token === undefined ? undefined : hashed(token);
  };
  const forget = async (req: IncomingMessage) => {
    const id = idOf(req);
    if (id !== undefined) await kept.delete(id);
  };
  return {
    async current(req) {
      const id = idOf(req);
      const login = id === undefined ? undefined : await kept.get(id);
      return login !== undefined && (await stillAllowed(login.identity)) ? login : undefined;
    },
    async begin(req, identity) {
      await forget(req);
      // A cookie from before the login is never promoted: whoever planted it would be logged in too (session fixation).
      const token = newSecret();
      await kept.set(hashed(token), { identity, at: Date.now() }, { ttl: loginLifetime });
      return { 'set-cookie': [loginCookie.write(token, loginLifetime)] };
    },
    async end(req) {
      await forget(req);
      return { 'set-cookie': [loginCookie.clear()] };
    },
  };
}

export type StillAllowed = (identity: Identity) => Promise<boolean>;

/** Asks the provider that a subject names; a provider that is no longer configured lets nobody in. */
export function stillAllowed(providers: readonly LoginProvider[]): StillAllowed {
  const byName = new Map(providers.map((provider) => [provider.name, provider]));
  return async (identity) => {
    const name = identity.subject.slice(0, identity.subject.indexOf(':'));
    return (await byName.get(name)?.stillAllowed(identity)) ?? false;
  };
}

/** What a person at an identity provider will come back for. */
interface RoundTrip {
  readonly browser: string;
  readonly provider: string;
  readonly pending: string;
}

export interface RoundTrips {
  /** Where to send this browser; it has 10 minutes to come back, once. `pending` is what it will go on with. */
  begin(provider: IdentityProvider, browser: Browser, pending: string, fresh: boolean): Promise<URL>;
  /**
   * What a browser that came back had begun, or undefined where it began nothing, came back before, or is another browser;
   * `identify` then says who the person is, or throws LoginFailed.
   */
  finish(exchange: Exchange, browserOf: BrowserOf): Promise<Finished | undefined>;
}

export interface Finished {
  readonly browser: Browser;
  readonly pending: string;
  identify(): Promise<Identity>;
}

/** Seconds. */
const roundTripLifetime = 600;

/** `login-state:<SHA-256 of state>` */
export function roundTrips(store: Store, publicUrl: URL, providers: readonly LoginProvider[]): RoundTrips {
  const kept = collection<RoundTrip>(store, 'login-state');
  const redirectUri = new URL('/callback', publicUrl).href;
  // Derived from the browser's cookie, so that they need not be stored, and so that no other browser can finish.
  const codeVerifier = (browser: Browser, state: string) => browser.derive(`code_verifier ${state}`);
  const nonce = (browser: Browser, state: string) => browser.derive(`nonce ${state}`);
  return {
    async begin(provider, browser, pending, fresh) {
      const state = newSecret();
      const trip = { browser: browser.id, provider: provider.name, pending };
      await kept.set(hashed(state), trip, { ttl: roundTripLifetime });
      return await provider.authorizationUrl({
        state,
        redirectUri,
        codeChallenge: hashed(codeVerifier(browser, state)),
        nonce: nonce(browser, state),
        fresh,
      });
    },
    async finish(exchange, browserOf) {
      const parameters = new URLSearchParams(exchange.query);
      const state = parameters.get('state') ?? '';
      const trip = await kept.get(hashed(state));
      if (trip === undefined) return undefined;
      const browser = browserOf(exchange.req, ({ id }) => id === trip.browser);
      // RFC 9700 §4.7.1: a state is good in the browser it was made for, and once.
      if (browser.id !== trip.browser || !(await kept.delete(hashed(state)))) return undefined;
      const provider = providers.find(({ name }) => name === trip.provider);
      return {
        browser,
        pending: trip.pending,
        async identify() {
          if (provider?.kind !== 'redirect')
            throw new LoginFailed('failed', 'This way to log in is no longer offered.');
          return await provider.identify({
            parameters,
            redirectUri,
            codeVerifier: codeVerifier(browser, state),
            nonce: nonce(browser, state),
          });
        },
      };
    },
  };
}
