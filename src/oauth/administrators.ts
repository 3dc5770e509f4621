/** Who may open the pages for administrators: those that `auth.admins` names, logged in as for any page of ours. */

import { type Exchange, type Reply, refusal } from '../router/handler.ts';
import { names } from './allow.ts';
import type { AuthorizeEndpoints } from './authorize.ts';
import type { Browser } from './browser.ts';
import type { BrowserSide } from './browser-side.ts';
import type { Identity } from './grants.ts';
import { html, readable } from './html.ts';
import { page } from './page.ts';
import { form } from './pages.ts';
import { isLoopbackHost } from './redirect-uri.ts';

export interface Administrators {
  /** For a page: who is at the browser, else the login page, or a page with 403 for who is no administrator. */
  enter(exchange: Exchange): Promise<Administrator | Reply>;
  /** For what such a page asks for: refuses with 401 who is not logged in, with 403 who is no administrator. */
  check(exchange: Exchange): Promise<Administrator>;
  /** As `check`, for what changes something: refuses with 403 what was not sent by our page in this browser. */
  approve(exchange: Exchange): Promise<Administrator>;
}

export interface Administrator {
  readonly subject: string;
  readonly username: string;
  /** Good in this browser, for this person; sent back in `X-CSRF-Token`. */
  readonly csrf: string;
  readonly headers: Browser['headers'];
}

export function administrators(
  side: BrowserSide,
  { logIn }: Pick<AuthorizeEndpoints, 'logIn'>,
  admins: readonly string[],
): Administrators {
  const { browserOf, logins, publicUrl, providers } = side;
  const named = (identity: Identity) => names(admins, identity, providers.length === 1);
  const administrator = ({ req }: Exchange, { subject, username }: Identity): Administrator => {
    const csrf = (browser: Browser) => side.csrf(browser, `administrator ${subject}`);
    const sent = req.headers['x-csrf-token'];
    const browser = browserOf(req, (each) => typeof sent === 'string' && side.sameText(sent, csrf(each)));
    return { subject, username, csrf: csrf(browser), headers: browser.headers };
  };

  /** RFC 6454 §7, Fetch Metadata: a page of another origin may be of the same site, so that cookies come along. */
  function fromElsewhere({ req }: Exchange): boolean {
    const { origin, 'sec-fetch-site': site } = req.headers;
    return (site !== undefined && site !== 'same-origin') || (origin !== undefined && !isOwn(origin, publicUrl));
  }

  async function check(exchange: Exchange): Promise<Administrator> {
    const login = await logins.current(exchange.req);
    if (login === undefined) throw refusal(401, 'login_required', 'nobody is logged in with this browser any more');
    if (!named(login.identity)) throw refusal(403, 'access_denied', 'auth.admins does not name who is logged in');
    return administrator(exchange, login.identity);
  }

  return {
    async enter(exchange) {
      const login = await logins.current(exchange.req);
      if (login === undefined) return await logIn(exchange, '/console');
      if (named(login.identity)) return administrator(exchange, login.identity);
      exchange.log.warn('no administrator', { subject: login.identity.subject, path: exchange.path });
      return strangerPage(side, browserOf(exchange.req), login.identity);
    },
    async check(exchange) {
      if (fromElsewhere(exchange)) throw refusal(403, 'access_denied', 'only our own page may ask for this');
      return await check(exchange);
    },
    async approve(exchange) {
      const found = await check(exchange);
      const sent = exchange.req.headers['x-csrf-token'];
      if (fromElsewhere(exchange) || typeof sent !== 'string' || !side.sameText(sent, found.csrf))
        throw refusal(403, 'access_denied', 'this was not sent by our page in this browser; load it anew');
      return found;
    },
  };
}

/** On loopback a person may type any of its names. */
function isOwn(origin: string, publicUrl: URL): boolean {
  if (origin === publicUrl.origin) return true;
  if (!isLoopbackHost(publicUrl.hostname) || !URL.canParse(origin)) return false;
  const { protocol, hostname, port } = new URL(origin);
  return protocol === publicUrl.protocol && port === publicUrl.port && isLoopbackHost(hostname);
}

function strangerPage(side: BrowserSide, browser: Browser, { username }: Identity): Reply {
  const body = html`<h1>For administrators only</h1>
<p>You are logged in as <strong><bdi>${readable(username)}</bdi></strong>, whom <code>auth.admins</code> in the
configuration of this gateway does not name.</p>
${form(
  { pending: 'account', csrf: side.csrf(browser, 'account') },
  html`<button name="action" value="logout">Log out, to use another account</button>`,
  '/account',
)}
<p><a href="/account">Your account</a></p>`;
  return page({ title: 'For administrators only', body, status: 403, headers: browser.headers });
}
