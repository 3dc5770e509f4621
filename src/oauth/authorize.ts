/**
 * GET and POST /authorize, GET /callback: from a valid request, by way of login and consent, to a code.
 *
 * The order follows the MCP security best practices (confused deputy): nobody reaches an identity provider before having
 * allowed this very client on our page, since the provider may answer without asking. A password is ours to check, so
 * there login comes first and consent, with the person's name on it, second.
 */

import type { Exchange, Handler, Notes, Reply } from '../router/handler.ts';
import { type AuthorizationRequest, validated } from './authorization-request.ts';
import type { Browser } from './browser.ts';
import type { BrowserSide } from './browser-side.ts';
import { type Asked, mayStandIn } from './consent.ts';
import { OAuthError, redirectBack, redirectError } from './errors.ts';
import type { Parameters } from './form.ts';
import type { Identity } from './grants.ts';
import { LoginFailed } from './identity/identity-provider.ts';
import type { Login } from './login.ts';
import { leavingPage, messagePage } from './page.ts';
import { type ClientRequest, consentPage, type FormBinding, loginPage, returnsTo } from './pages.ts';
import type { Pending } from './pending.ts';

type Headers = NonNullable<Reply['headers']>;

/** A person who got as far as a pending request of this very browser. */
interface Visit {
  readonly exchange: Exchange;
  readonly browser: Browser;
  readonly id: string;
  readonly pending: Pending;
}

export interface AuthorizeEndpoints {
  readonly authorizeGet: Handler;
  readonly authorizePost: Handler;
  readonly callback: Handler;
  /** The login page for a page of ours; the person is sent to `path` afterwards. */
  logIn(exchange: Exchange, path: string): Promise<Reply>;
}

export function authorizeEndpoints(side: BrowserSide): AuthorizeEndpoints {
  const { issuer, browserOf, clients, grants, resources, consents, logins, roundTrips, pendings, providers } = side;

  async function authorizeGet(exchange: Exchange): Promise<Reply> {
    const found = await validated(exchange.query, { issuer, clients, resources });
    const { client } = found;
    exchange.notes.clientId = client.id;
    if ('back' in found) {
      exchange.notes.reason = found.error.message;
      return found.back;
    }
    const { request, prompt } = found;
    const login = await logins.current(exchange.req);
    const fresh = login !== undefined && login.at >= prompt.loginSince ? login : undefined;
    const asked = { ...request, client };
    const known =
      fresh !== undefined &&
      !prompt.consent &&
      mayStandIn(asked) &&
      (await consents.covers(fresh.identity.subject, asked));
    if (known) return await codeFor(exchange, request, fresh.identity);
    if (prompt.silent) {
      const code = fresh === undefined ? 'login_required' : 'consent_required';
      return refuse(exchange, request, new OAuthError(code, 'The person has to be asked, and prompt=none forbids it'));
    }
    const browser = browserOf(exchange.req);
    const pending = { browser: browser.id, purpose: { request }, loginSince: prompt.loginSince };
    const id = await pendings.begin(pending);
    return await ask({ exchange, browser, id, pending }, fresh, browser.headers);
  }

  async function authorizePost(exchange: Exchange): Promise<Reply> {
    const { browser, sent } = await side.postedForm(exchange);
    const id = sent.get('pending') ?? '';
    const pending = await pendings.find(id, browser);
    if (pending === undefined) return over();
    const visit = { exchange, browser, id, pending };
    const action = sent.get('action') ?? '';
    if (action === 'login') return await byPassword(visit, sent);
    if (action === 'allow') return await allow(visit, sent);
    if (action === 'deny') return await deny(visit);
    if (action === 'switch') return await ask(visit, undefined);
    if (action.startsWith('with:')) return await byProvider(visit, action.slice('with:'.length));
    throw new OAuthError('invalid_request', 'The form has no such button');
  }

  async function callback(exchange: Exchange): Promise<Reply> {
    const trip = await roundTrips.finish(exchange, browserOf);
    const pending = trip && (await pendings.find(trip.pending, trip.browser));
    if (trip === undefined || pending === undefined) return over();
    const visit = { exchange, browser: trip.browser, id: trip.pending, pending };
    try {
      const identity = await trip.identify();
      const cookies = await logins.begin(exchange.req, identity);
      const { subject } = identity;
      exchange.log.info('logged in', { subject, clientAddress: exchange.clientAddress });
      // The person allowed this client on our page before leaving for the provider, or there would be no round trip.
      if ('path' in pending.purpose) return await goOn(visit, pending.purpose.path, cookies);
      if (!(await pendings.finish(visit.id))) return over();
      await consents.record(identity.subject, await asked(pending.purpose.request));
      return withHeaders(await codeFor(exchange, pending.purpose.request, identity), cookies);
    } catch (error) {
      if (!(error instanceof LoginFailed)) throw error;
      // RFC 6749 §4.1.2.1: who cancels at the provider denies the client.
      if (error.reason === 'cancelled' && 'request' in pending.purpose) return await deny(visit, 'redirect');
      return await loginFailed(visit, error);
    }
  }

  /** The page that is due: consent for who is logged in, else login. */
  async function ask(visit: Visit, login: Login | undefined, headers: Headers = {}): Promise<Reply> {
    const { purpose } = visit.pending;
    const client = 'request' in purpose ? await clientRequest(purpose.request) : undefined;
    if (login === undefined || client === undefined) {
      return loginPage({ binding: binding(visit), providers, asked: client, headers });
    }
    return consentPage({
      binding: binding(visit),
      asked: client,
      username: login.identity.username,
      as: seal(visit, login.identity),
      headers,
    });
  }

  async function byPassword(visit: Visit, sent: Parameters): Promise<Reply> {
    const provider = providers.find((one) => one.kind === 'password');
    const username = sent.get('username') ?? '';
    try {
      if (provider === undefined) throw new LoginFailed('failed', 'Passwords are not in use here.');
      const password = sent.get('password') ?? '';
      const { clientAddress } = visit.exchange;
      const identity = await provider.identify({ username, password, clientAddress });
      const cookies = await logins.begin(visit.exchange.req, identity);
      visit.exchange.log.info('logged in', { subject: identity.subject, clientAddress });
      if ('path' in visit.pending.purpose) return await goOn(visit, visit.pending.purpose.path, cookies);
      return await ask(visit, { identity, at: Date.now() }, cookies);
    } catch (error) {
      if (error instanceof LoginFailed) return await loginFailed(visit, error, username);
      throw error;
    }
  }

  async function byProvider(visit: Visit, name: string): Promise<Reply> {
    const provider = providers.find((one) => one.name === name);
    if (provider?.kind !== 'redirect') throw new OAuthError('invalid_request', 'There is no such way to log in');
    try {
      await pendings.renew(visit.id, visit.pending);
      const url = await roundTrips.begin(provider, visit.browser, visit.id, visit.pending.loginSince > 0);
      return leavingPage(url.href, provider.title);
    } catch (error) {
      if (error instanceof LoginFailed) return await loginFailed(visit, error);
      throw error;
    }
  }

  async function allow(visit: Visit, sent: Parameters): Promise<Reply> {
    const login = await logins.current(visit.exchange.req);
    const { purpose, loginSince } = visit.pending;
    if (!('request' in purpose)) throw new OAuthError('invalid_request', 'There is nothing to allow');
    // Only who was shown the page can answer it; after a change of login in another tab it is shown again.
    const same = login !== undefined && side.sameText(sent.get('as') ?? '', seal(visit, login.identity));
    if (!same || login.at < loginSince) return await ask(visit, login && login.at >= loginSince ? login : undefined);
    if (!(await pendings.finish(visit.id))) return over();
    await consents.record(login.identity.subject, await asked(purpose.request));
    return leave(purpose.request, await codeFor(visit.exchange, purpose.request, login.identity));
  }

  async function deny(visit: Visit, how: 'page' | 'redirect' = 'page'): Promise<Reply> {
    const { purpose } = visit.pending;
    if (!('request' in purpose)) throw new OAuthError('invalid_request', 'There is nothing to deny');
    if (!(await pendings.finish(visit.id))) return over();
    visit.exchange.log.info('access denied by the person', { clientId: purpose.request.clientId });
    const back = refuse(
      visit.exchange,
      purpose.request,
      new OAuthError('access_denied', 'The person did not allow it'),
    );
    return how === 'redirect' ? back : leave(purpose.request, back);
  }

  async function loginFailed(visit: Visit, error: LoginFailed, username?: string): Promise<Reply> {
    const { purpose } = visit.pending;
    const clientId = 'request' in purpose ? purpose.request.clientId : undefined;
    const reason = `login failed: ${error.message}`;
    Object.assign(visit.exchange.notes, {
      reason,
      ...(clientId !== undefined && { step: 'consent', clientId }),
    } satisfies Notes);
    visit.exchange.log.warn('login failed', {
      reason: error.reason,
      clientAddress: visit.exchange.clientAddress,
      error,
    });
    return loginPage({
      binding: binding(visit),
      providers,
      asked: 'request' in purpose ? await clientRequest(purpose.request) : undefined,
      fault: error.message,
      username,
      status: error.retryAfter === undefined ? (error.reason === 'refused' ? 403 : 401) : 429,
      headers: error.retryAfter === undefined ? {} : { 'retry-after': String(error.retryAfter) },
    });
  }

  async function goOn(visit: Visit, path: string, cookies: Headers): Promise<Reply> {
    await pendings.finish(visit.id);
    return { status: 303, headers: { ...cookies, location: path, 'cache-control': 'no-store' } };
  }

  async function codeFor({ notes, log }: Exchange, request: AuthorizationRequest, identity: Identity): Promise<Reply> {
    const code = await grants.issueCode({ ...(await asked(request)), codeChallenge: request.codeChallenge, identity });
    Object.assign(notes, { step: 'consent', clientId: request.clientId } satisfies Notes);
    log.info('code issued', { clientId: request.clientId, subject: identity.subject, resources: request.resources });
    // RFC 9207 §2: `iss` on every answer, so that a client of several servers knows whose code it is.
    return redirectBack(request.redirectUri, { iss: issuer, code, state: request.state });
  }

  /** The request with its client, who may have gone since. */
  async function asked(request: AuthorizationRequest): Promise<Asked> {
    const client = await clients.find(request.clientId);
    if (client === undefined) throw new OAuthError('invalid_client', 'The client has been deleted', { status: 400 });
    return { client, ...request };
  }

  async function clientRequest(request: AuthorizationRequest): Promise<ClientRequest> {
    const known = request.resources.map((identifier) => resources.find(identifier));
    return { ...(await asked(request)), resources: known.filter((resource) => resource !== undefined) };
  }

  function refuse({ notes }: Exchange, request: AuthorizationRequest, error: OAuthError): Reply {
    Object.assign(notes, { step: 'consent', clientId: request.clientId, reason: error.message } satisfies Notes);
    return redirectError(error, { issuer, ...request });
  }

  const binding = ({ browser, id }: Visit): FormBinding => ({ pending: id, csrf: side.csrf(browser, id) });
  const seal = ({ browser, id }: Visit, { subject }: Identity) => browser.derive(`as ${id} ${subject}`);

  async function logIn(exchange: Exchange, path: string): Promise<Reply> {
    const browser = browserOf(exchange.req);
    const pending = { browser: browser.id, purpose: { path }, loginSince: 0 };
    const id = await pendings.begin(pending);
    return await ask({ exchange, browser, id, pending }, undefined, browser.headers);
  }

  return { authorizeGet, authorizePost, callback, logIn };
}

/** An answer to the client as a page that goes on to it: after a POST a redirect is not followed everywhere. */
function leave(request: AuthorizationRequest, back: Reply): Reply {
  const { location } = back.headers ?? {};
  return leavingPage(String(location), returnsTo(request.redirectUri));
}

function withHeaders(reply: Reply, headers: Headers): Reply {
  return { ...reply, headers: { ...reply.headers, ...headers } };
}

function over(): Reply {
  const message =
    'It has been answered already, it is older than ten minutes, or it was begun in another browser. Start again from the program that sent you here.';
  return messagePage('This request is over', message, { status: 400 });
}
