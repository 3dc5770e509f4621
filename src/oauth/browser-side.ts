/** What the pages share: who is at the browser, what is pending there, and proof that a form is ours. */

import { timingSafeEqual } from 'node:crypto';
import { type Exchange, type Handler, Refusal } from '../router/handler.ts';
import type { Store } from '../store/store.ts';
import { type Browser, type BrowserOf, browsers } from './browser.ts';
import type { Clients } from './clients.ts';
import { type Consents, consents } from './consent.ts';
import { OAuthError } from './errors.ts';
import { form, type Parameters } from './form.ts';
import type { Grants } from './grants.ts';
import type { LoginProvider } from './identity/identity-provider.ts';
import { type Logins, logins, type RoundTrips, roundTrips, type StillAllowed, stillAllowed } from './login.ts';
import { messagePage } from './page.ts';
import { type Pendings, pendings } from './pending.ts';
import type { Resources } from './resource.ts';

export interface BrowserSideDeps {
  readonly publicUrl: URL;
  readonly store: Store;
  readonly clients: Clients;
  readonly grants: Grants;
  readonly resources: Resources;
  readonly providers: readonly LoginProvider[];
}

export interface BrowserSide extends BrowserSideDeps {
  readonly issuer: string;
  readonly browserOf: BrowserOf;
  readonly consents: Consents;
  readonly logins: Logins;
  readonly roundTrips: RoundTrips;
  readonly pendings: Pendings;
  readonly stillAllowed: StillAllowed;
  /** The token of a form about `subject`, good in this browser only. */
  csrf(browser: Browser, subject: string): string;
  /** A form of ours, and the browser that it was shown to and comes from; refuses any other with 403. */
  postedForm(exchange: Exchange): Promise<{ readonly browser: Browser; readonly sent: Parameters }>;
  /** Constant time. */
  sameText(a: string, b: string): boolean;
}

export function browserSide(deps: BrowserSideDeps): BrowserSide {
  const { publicUrl, store, providers } = deps;
  const allowed = stillAllowed(providers);
  const csrf = (browser: Browser, subject: string) => browser.derive(`csrf ${subject}`);
  const browserOf = browsers(publicUrl);
  return {
    ...deps,
    issuer: publicUrl.origin,
    browserOf,
    consents: consents(store),
    logins: logins(store, publicUrl, allowed),
    roundTrips: roundTrips(store, publicUrl, providers),
    pendings: pendings(store),
    stillAllowed: allowed,
    csrf,
    sameText,
    async postedForm(exchange) {
      // Fetch Metadata: a browser says where a request comes from. Origin would not do: with no-referrer it is `null`.
      const site = exchange.req.headers['sec-fetch-site'];
      if (site !== undefined && site !== 'same-origin' && site !== 'none') throw forged();
      const sent = await form(exchange);
      const shownTo = (browser: Browser) => sameText(sent.get('csrf') ?? '', csrf(browser, sent.get('pending') ?? ''));
      const browser = browserOf(exchange.req, shownTo);
      if (!shownTo(browser)) throw forged();
      return { browser, sent };
    },
  };
}

const forged = () =>
  new OAuthError(
    'access_denied',
    'This form was not filled in on our page in this browser, or cookies are off. Start again',
  );

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Errors as a page for a browser, as JSON for a program that asks for something else (RFC 9110 §12.5.1). */
export function readableErrors(handler: Handler): Handler {
  return async (exchange) => {
    try {
      return await handler(exchange);
    } catch (error) {
      if (!(error instanceof Refusal) || !wantsHtml(exchange)) throw error;
      const { status, headers, body } = error.reply;
      const said = error instanceof OAuthError ? error.description : described(body);
      exchange.log.info('request refused', { error });
      const { 'retry-after': retryAfter } = headers ?? {};
      return messagePage('This does not work', `${said}.`, {
        status,
        ...(retryAfter !== undefined && { headers: { 'retry-after': retryAfter } }),
      });
    }
  };
}

function wantsHtml(exchange: Exchange): boolean {
  return exchange.req.headers.accept?.includes('text/html') === true;
}

function described(body: unknown): string {
  const { error_description: description } = (body ?? {}) as { error_description?: unknown };
  return typeof description === 'string' ? description : 'The request cannot be answered';
}
