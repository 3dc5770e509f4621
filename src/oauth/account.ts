/** /account: a person sees which clients they let in, and takes it back (RFC 6819 §5.2.4.1, RFC 7009 §1). */

import type { Exchange, Handler, Reply } from '../router/handler.ts';
import type { AuthorizeEndpoints } from './authorize.ts';
import type { Browser } from './browser.ts';
import type { BrowserSide } from './browser-side.ts';
import type { Consent } from './consent.ts';
import { OAuthError } from './errors.ts';
import type { Grant, Identity } from './grants.ts';
import { type Content, html, type Markup, readable } from './html.ts';
import { messagePage, page } from './page.ts';
import { form } from './pages.ts';
import { defaultScope } from './scope.ts';

/** Everything one client may do for one person. */
interface Access {
  readonly clientId: string;
  readonly name: string;
  readonly redirects: readonly string[];
  /** Resource identifier to scopes. */
  readonly resources: ReadonlyMap<string, ReadonlySet<string>>;
  /** Seconds since the epoch. */
  readonly since: number;
  /** Seconds since the epoch; absent where the client never got a token, or none that still lives. */
  readonly usedAt?: number;
}

/** What a form on the page is about; ties it to this page and no other of ours. */
const purpose = 'account';

export function accountPage(
  side: BrowserSide,
  { logIn }: Pick<AuthorizeEndpoints, 'logIn'>,
): { get: Handler; post: Handler } {
  const { browserOf, logins, consents, grants, clients, resources } = side;

  async function accessesOf(subject: string): Promise<Access[]> {
    const found = new Map<string, Access>();
    for await (const consent of consents.ofSubject(subject)) found.set(consent.clientId, fromConsent(consent));
    for await (const grant of grants.ofSubject(subject)) {
      if (grant.personal !== undefined) continue;
      const name = (await clients.find(grant.clientId).catch(() => undefined))?.metadata.client_name ?? grant.clientId;
      found.set(grant.clientId, withGrant(found.get(grant.clientId), grant, name));
    }
    return [...found.values()].sort((a, b) => (b.usedAt ?? b.since) - (a.usedAt ?? a.since));
  }

  async function personalOf(subject: string): Promise<Grant[]> {
    const found: Grant[] = [];
    for await (const grant of grants.ofSubject(subject)) if (grant.personal !== undefined) found.push(grant);
    return found;
  }

  /** The consent goes first, so that no new code is given while the grants end. */
  async function revokeClient(subject: string, clientId: string): Promise<void> {
    await consents.revoke(subject, clientId);
    for await (const grant of grants.ofSubject(subject)) {
      if (grant.clientId === clientId && grant.personal === undefined) await grants.revoke(grant.id);
    }
  }

  async function revokePersonal(subject: string, id: string): Promise<void> {
    const grant = await grants.find(id);
    if (grant?.subject === subject && grant.personal !== undefined) await grants.revoke(id);
  }

  async function show(browser: Browser, identity: Identity, done?: string): Promise<Reply> {
    const [accesses, personal] = await Promise.all([accessesOf(identity.subject), personalOf(identity.subject)]);
    const button = (action: string, id: string, label: Content) =>
      form(
        { pending: purpose, csrf: side.csrf(browser, purpose) },
        html`<input type="hidden" name="id" value="${id}">
<button class="small" name="action" value="${action}">${label}</button>`,
        '/account',
      );
    const nameOf = (identifier: string) => resources.find(identifier)?.name ?? identifier;
    const body = html`<h1>Who may act for you</h1>
<p>You are logged in as <strong><bdi>${readable(identity.username)}</bdi></strong>.</p>
${done !== undefined && html`<p class="note" role="status">${done}</p>`}
${accesses.length + personal.length === 0 && html`<p>You have let nobody in.</p>`}
${accesses.map(
  (access) => html`<h2><bdi>${readable(access.name)}</bdi></h2>
${accessDetails(access, nameOf)}
${button('revoke', access.clientId, html`Take it back<span class="hidden"> from ${readable(access.name)}</span>`)}`,
)}
${personal.map(
  (grant) => html`<h2>Personal token <bdi>${readable(grant.personal?.name ?? '')}</bdi></h2>
${personalDetails(grant, nameOf)}
${button('revoke-token', grant.id, html`Take it back<span class="hidden">: ${readable(grant.personal?.name ?? '')}</span>`)}`,
)}
<h2>This browser</h2>
${button('logout', '', html`Log out`)}`;
    return page({ title: 'Your account', body, headers: browser.headers });
  }

  return {
    async get(exchange) {
      const login = await logins.current(exchange.req);
      if (login === undefined) return await logIn(exchange, '/account');
      return await show(browserOf(exchange.req), login.identity);
    },
    async post(exchange: Exchange) {
      const { browser, sent } = await side.postedForm(exchange);
      // A form of another page carries a token of its own purpose.
      if (sent.get('pending') !== purpose) throw new OAuthError('invalid_request', 'This form is not of this page');
      const login = await logins.current(exchange.req);
      if (login === undefined) return await logIn(exchange, '/account');
      const { subject } = login.identity;
      const id = sent.get('id') ?? '';
      switch (sent.get('action')) {
        case 'revoke':
          await revokeClient(subject, id);
          exchange.log.info('access taken back', { subject, clientId: id });
          return await show(browser, login.identity, 'Done. It can no longer act for you.');
        case 'revoke-token':
          await revokePersonal(subject, id);
          exchange.log.info('personal token revoked', { subject });
          return await show(browser, login.identity, 'Done. The token is no longer good.');
        case 'logout': {
          const ended = messagePage('Logged out', 'You are logged out in this browser.');
          return { ...ended, headers: { ...ended.headers, ...(await logins.end(exchange.req)) } };
        }
        default:
          throw new OAuthError('invalid_request', 'The form has no such button');
      }
    },
  };
}

function fromConsent({ clientId, clientName, redirects, resources, at }: Consent): Access {
  const scopes = Object.entries(resources).map(([id, scope]): [string, Set<string>] => [id, new Set(scope)]);
  return { clientId, name: clientName, redirects, resources: new Map(scopes), since: at };
}

function withGrant(known: Access | undefined, grant: Grant, name: string): Access {
  const { clientId, createdAt, usedAt } = grant;
  const access = known ?? {
    clientId,
    name,
    redirects: [],
    resources: new Map<string, Set<string>>(),
    since: createdAt,
  };
  const all = new Map(access.resources);
  for (const resource of grant.resources) all.set(resource, new Set([...(all.get(resource) ?? []), ...grant.scope]));
  const last = Math.max(access.usedAt ?? 0, usedAt ?? 0);
  return { ...access, resources: all, ...(last > 0 && { usedAt: last }) };
}

function accessDetails(
  { clientId, redirects, resources, since, usedAt }: Access,
  nameOf: (id: string) => string,
): Markup {
  return html`<dl>
${clientId.startsWith('https://') && html`<div><dt>Verified</dt><dd><strong>${new URL(clientId).host}</strong></dd></div>`}
<div><dt>May use</dt><dd><ul>${[...resources].map(([id, scopes]) => html`<li>${used(nameOf(id), scopes)}</li>`)}</ul></dd></div>
${redirects.length > 0 && html`<div><dt>Returns to</dt><dd><bdi>${redirects.join(', ')}</bdi></dd></div>`}
<div><dt>Allowed</dt><dd>${day(since)}</dd></div>
<div><dt>Last used</dt><dd>${usedAt === undefined ? 'not in use' : day(usedAt)}</dd></div>
</dl>`;
}

function personalDetails({ resources, scope, personal, createdAt }: Grant, nameOf: (id: string) => string): Markup {
  return html`<dl>
<div><dt>May use</dt><dd><ul>${resources.map((id) => html`<li>${used(nameOf(id), new Set(scope))}</li>`)}</ul></dd></div>
<div><dt>Made</dt><dd>${day(createdAt)}</dd></div>
<div><dt>Good until</dt><dd>${day(personal?.expiresAt ?? 0)}</dd></div>
</dl>`;
}

function used(name: string, scopes: ReadonlySet<string>): Content {
  const words = [...scopes].filter((word) => word !== defaultScope);
  return html`<strong><bdi>${name}</bdi></strong>${words.length > 0 && html` <small>${words.join(' ')}</small>`}`;
}

/** In universal time, as the server does not know where the person is. */
function day(seconds: number): Markup {
  const text = new Date(seconds * 1000).toISOString();
  return html`<time datetime="${text}">${text.slice(0, 16).replace('T', ' ')} UTC</time>`;
}
