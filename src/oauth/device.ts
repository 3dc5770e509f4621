/** POST /device_authorization and the page at /device: RFC 8628, for machines without a browser. */

import type { Exchange, Handler, Reply } from '../router/handler.ts';
import type { AuthorizeEndpoints } from './authorize.ts';
import type { Browser } from './browser.ts';
import type { BrowserSide } from './browser-side.ts';
import type { AuthenticateClient } from './client-auth.ts';
import type { Client } from './clients.ts';
import { type DeviceCodes, type DeviceRequest, deviceCodeLifetime, pollInterval } from './device-codes.ts';
import { noStore, OAuthError } from './errors.ts';
import { form, type Parameters } from './form.ts';
import type { Grants, Identity } from './grants.ts';
import { html, readable } from './html.ts';
import { messagePage, page } from './page.ts';
import { type ClientRequest, clientName, details, form as pageForm } from './pages.ts';
import { scopesOf } from './resource.ts';
import { grantable, parseScope } from './scope.ts';
import type { GrantType } from './token.ts';

export const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

export interface DeviceParts {
  readonly side: BrowserSide;
  readonly codes: DeviceCodes;
  readonly authenticate: AuthenticateClient;
  readonly logIn: AuthorizeEndpoints['logIn'];
}

/** RFC 8628 §3.1, §3.2. */
export function deviceAuthorizationEndpoint({ side, codes, authenticate }: DeviceParts): Handler {
  const { issuer, resources } = side;
  return async (exchange) => {
    const parameters = await form(exchange);
    const client = await authenticate(exchange, parameters);
    exchange.notes.clientId = client.id;
    if (!client.metadata.grant_types.includes(deviceGrant)) {
      throw new OAuthError('unauthorized_client', `This client is not registered for the grant type ${deviceGrant}`);
    }
    const meant = resources.requested(parameters.resources);
    const scope = grantable(parseScope(parameters.get('scope')), scopesOf(meant));
    const identifiers = meant.map(({ identifier }) => identifier);
    const { deviceCode, userCode } = await codes.begin({ clientId: client.id, resources: identifiers, scope });
    exchange.log.info('device authorization begun', { clientId: client.id });
    const body = {
      device_code: deviceCode,
      user_code: userCode,
      verification_uri: `${issuer}/device`,
      verification_uri_complete: `${issuer}/device?user_code=${userCode}`,
      expires_in: deviceCodeLifetime,
      interval: pollInterval,
    };
    return { status: 200, headers: noStore, body };
  };
}

/** RFC 8628 §3.4: the device code, once allowed, is the grant. */
export function deviceGrantType(codes: DeviceCodes, grants: Grants, lifetimeOf: (client: Client) => number): GrantType {
  return async (client, parameters) => {
    const { clientId, resources, scope, identity } = await codes.redeem(parameters.require('device_code'), client.id);
    return await grants.open({ clientId, resources, scope, identity }, lifetimeOf(client));
  };
}

/** What ties a form to this page. */
const purpose = 'device';
/** RFC 8628 §5.1: codes a person may get wrong in ten minutes. */
const mostGuesses = 10;

/** RFC 8628 §3.3: the person types the code, sees who asks for what, and decides. */
export function devicePage({ side, codes, logIn }: DeviceParts): { get: Handler; post: Handler } {
  const { browserOf, logins, clients, resources, store } = side;
  const binding = (browser: Browser) => ({ pending: purpose, csrf: side.csrf(browser, purpose) });
  const seal = (browser: Browser, code: string, { subject }: Identity) => browser.derive(`device ${code} ${subject}`);

  function codePage(browser: Browser, code: string, fault?: string, status = 200): Reply {
    const body = html`<h1>Connect a device</h1>
${fault !== undefined && html`<p class="bad" role="alert">${fault}</p>`}
<p>Type the code that your device shows.</p>
${pageForm(
  binding(browser),
  html`<label for="user_code">Code</label>
<input class="code" id="user_code" name="user_code" value="${code}" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="20" required autofocus>
<button class="main" name="action" value="continue">Continue</button>`,
  '/device',
)}`;
    return page({ title: 'Connect a device', body, status, headers: browser.headers });
  }

  async function confirmPage(
    browser: Browser,
    code: string,
    waiting: DeviceRequest,
    identity: Identity,
  ): Promise<Reply> {
    const client = await clients.find(waiting.clientId);
    if (client === undefined) return codePage(browser, '', 'The client that asked has been deleted.', 400);
    const known = waiting.resources.map((identifier) => resources.find(identifier));
    const asked: ClientRequest = {
      client,
      scope: waiting.scope,
      resources: known.filter((each) => each !== undefined),
    };
    // RFC 8628 §5.4: who is sent a link with a code in it must see that it belongs to a device they do not hold.
    const body = html`<h1>Let ${clientName(client)} in on another device?</h1>
<p class="note">Go on only if you have a device before you that shows <strong><code>${code}</code></strong>, and you started this there
yourself. If somebody sent you here or told you the code, deny.</p>
${details(asked)}
<p>You are logged in as <strong><bdi>${readable(identity.username)}</bdi></strong>.</p>
${pageForm(
  binding(browser),
  html`<input type="hidden" name="user_code" value="${code}">
<input type="hidden" name="as" value="${seal(browser, code, identity)}">
<button class="main" name="action" value="allow">Allow</button>
<button name="action" value="deny">Deny</button>`,
  '/device',
)}`;
    return page({ title: 'Allow access', body, headers: browser.headers });
  }

  async function lookUp(browser: Browser, code: string, identity: Identity): Promise<Reply> {
    const guesses = `device-guesses:${identity.subject}`;
    if (Number((await store.get(guesses)) ?? 0) >= mostGuesses) {
      return codePage(browser, '', 'That were too many wrong codes. Wait ten minutes.', 429);
    }
    const waiting = await codes.find(code);
    if (waiting !== undefined) return await confirmPage(browser, code, waiting, identity);
    await store.increment(guesses, deviceCodeLifetime);
    return codePage(browser, '', 'There is no such code, or it has expired. Look at your device again.', 400);
  }

  async function decide(
    { log }: Exchange,
    browser: Browser,
    sent: Parameters,
    identity: Identity,
    allow: boolean,
  ): Promise<Reply> {
    const code = sent.get('user_code') ?? '';
    // Only who was shown the page can answer it.
    if (!side.sameText(sent.get('as') ?? '', seal(browser, code, identity)))
      return await lookUp(browser, code, identity);
    if (!(await codes.decide(code, allow ? { allowedBy: identity } : 'denied'))) {
      return codePage(browser, '', 'This code has expired, or was answered already.', 400);
    }
    log.info(allow ? 'device allowed' : 'device denied', { subject: identity.subject });
    return allow
      ? messagePage('Connected', 'Go back to your device; it goes on by itself. You can close this window.')
      : messagePage('Denied', 'The device was not let in. You can close this window.');
  }

  const typed = (text: string) => {
    const plain = text
      .toUpperCase()
      .replace(/[^A-Z]/g, '')
      .slice(0, 8);
    return plain.length === 8 ? `${plain.slice(0, 4)}-${plain.slice(4)}` : plain;
  };

  return {
    async get(exchange: Exchange) {
      const code = typed(new URLSearchParams(exchange.query).get('user_code') ?? '');
      const login = await logins.current(exchange.req);
      if (login === undefined) return await logIn(exchange, code === '' ? '/device' : `/device?user_code=${code}`);
      return codePage(browserOf(exchange.req), code);
    },
    async post(exchange: Exchange) {
      const { browser, sent } = await side.postedForm(exchange);
      if (sent.get('pending') !== purpose) throw new OAuthError('invalid_request', 'This form is not of this page');
      const login = await logins.current(exchange.req);
      if (login === undefined) return await logIn(exchange, '/device');
      const action = sent.get('action');
      if (action === 'continue') return await lookUp(browser, typed(sent.get('user_code') ?? ''), login.identity);
      if (action === 'allow' || action === 'deny')
        return await decide(exchange, browser, sent, login.identity, action === 'allow');
      throw new OAuthError('invalid_request', 'The form has no such button');
    },
  };
}
