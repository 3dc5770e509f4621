/** The login page and the consent page: plain forms that work without JavaScript. */

import type { Reply } from '../router/handler.ts';
import type { Client } from './clients.ts';
import { type Content, html, type Markup, readable } from './html.ts';
import type { LoginProvider } from './identity/identity-provider.ts';
import { page } from './page.ts';
import { isLoopbackRedirect } from './redirect-uri.ts';
import type { ProtectedResource } from './resource.ts';
import { defaultScope } from './scope.ts';

/** What ties a form to its browser and to what is pending there. */
export interface FormBinding {
  readonly pending: string;
  readonly csrf: string;
}

/** What a client asks for, as a person reads it. */
export interface ClientRequest {
  readonly client: Client;
  /** Absent where the client waits elsewhere, on a device. */
  readonly redirectUri?: string;
  readonly resources: readonly ProtectedResource[];
  readonly scope: readonly string[];
}

export interface LoginPage {
  readonly binding: FormBinding;
  readonly providers: readonly LoginProvider[];
  /** Absent where the person came to a page of ours by themselves. */
  readonly asked?: ClientRequest | undefined;
  /** Why they see the page again. */
  readonly fault?: string | undefined;
  readonly username?: string | undefined;
  readonly status?: number;
  readonly headers?: Reply['headers'];
}

/**
 * The ways to log in. With a client in view, the button of an identity provider is itself the consent, and says so: MCP
 * security best practices (confused deputy) want it given before the provider is asked, since the provider may know the person
 * and send them straight back. A password is typed here and consent asked after it, so that pressing Enter allows nothing.
 */
export function loginPage({ binding, providers, asked, fault, username, status, headers }: LoginPage): Reply {
  const password = providers.some(({ kind }) => kind === 'password');
  const elsewhere = providers.filter((provider) => provider.kind === 'redirect');
  const heading = asked === undefined ? html`Log in` : html`Log in to let ${clientName(asked.client)} in`;
  const body = html`<h1>${heading}</h1>
${fault !== undefined && html`<p class="bad" role="alert">${fault}</p>`}
${asked !== undefined && details(asked)}
${password && passwordForm(binding, username, fault !== undefined)}
${password && elsewhere.length > 0 && html`<p class="or">or</p>`}
${elsewhere.map((provider) => providerForm(binding, provider.name, provider.title, asked !== undefined))}
${providers.length === 0 && html`<p class="bad" role="alert">No way to log in is configured at this gateway.</p>`}
${asked !== undefined && form(binding, html`<button name="action" value="deny">Deny</button>`)}`;
  return page({ title: 'Log in', body, ...(status && { status }), ...(headers && { headers }) });
}

export interface ConsentPage {
  readonly binding: FormBinding;
  readonly asked: ClientRequest;
  readonly username: string;
  /** Ties the answer to the person who was shown the page. */
  readonly as: string;
  readonly headers?: Reply['headers'];
}

export function consentPage({ binding, asked, username, as, headers }: ConsentPage): Reply {
  const body = html`<h1>Let ${clientName(asked.client)} in?</h1>
${details(asked)}
<p>You are logged in as <strong><bdi>${readable(username)}</bdi></strong>.</p>
${form(
  binding,
  html`<input type="hidden" name="as" value="${as}">
<button class="main" name="action" value="allow">Allow</button>
<button name="action" value="deny">Deny</button>
<button name="action" value="switch">Use another account</button>`,
)}`;
  return page({ title: 'Allow access', body, ...(headers && { headers }) });
}

/** A form that posts to us; what it is about is on the server. */
export function form({ pending, csrf }: FormBinding, content: Content, action = '/authorize'): Markup {
  return html`<form method="post" action="${action}">
<input type="hidden" name="pending" value="${pending}">
<input type="hidden" name="csrf" value="${csrf}">
${content}
</form>`;
}

function passwordForm(binding: FormBinding, username: string | undefined, faulty: boolean): Markup {
  const focus = (wanted: boolean) => wanted && html` autofocus`;
  return form(
    binding,
    html`<label for="username">User name</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="256" required value="${username ?? ''}"${focus(!faulty)}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="1024" required${focus(faulty)}>
<button class="main" name="action" value="login">Log in</button>`,
  );
}

function providerForm(binding: FormBinding, name: string, title: string, consenting: boolean): Markup {
  const label = consenting ? `Allow, and log in with ${title}` : `Log in with ${title}`;
  return form(binding, html`<button class="main" name="action" value="with:${name}">${label}</button>`);
}

/** Each resource once, by whichever door. */
function doors(resources: readonly ProtectedResource[]): ProtectedResource[] {
  const named = new Set(resources.filter(({ alias }) => !alias).map(({ name }) => name));
  return resources.filter(({ alias, name }) => !alias || !named.has(name));
}

export function details({ client, redirectUri, resources, scope }: ClientRequest): Markup {
  const words = scope.filter((one) => one !== defaultScope);
  return html`<dl>
<div><dt>Who asks</dt><dd>${clientName(client)}<br><small>${provenance(client)}</small></dd></div>
<div><dt>What it will use for you</dt><dd><ul>${doors(resources).map(
    (resource) => html`<li><strong><bdi>${resource.name}</bdi></strong> <small>${resource.identifier}</small></li>`,
  )}</ul></dd></div>
${words.length > 0 && html`<div><dt>With the permissions</dt><dd>${words.map((word, at) => html`${at > 0 && ', '}<code>${word}</code>`)}</dd></div>`}
${redirectUri !== undefined && html`<div><dt>Then you return to</dt><dd><strong><bdi>${returnsTo(redirectUri)}</bdi></strong></dd></div>`}
</dl>
${warning(client)}`;
}

export function clientName(client: Client): Markup {
  const name = readable(client.metadata.client_name ?? '');
  return html`<bdi>${name === '' ? 'an unnamed client' : name}</bdi>`;
}

/** What the name is worth. */
function provenance(client: Client): Markup {
  if (client.kind === 'configured') return html`set up by the operator of this gateway`;
  // Client ID Metadata Documents §6: the host is what was verified, so it is shown; the name is the host's word.
  if (client.kind === 'metadata-document') return html`verified: <strong>${new URL(client.id).host}</strong>`;
  return html`unverified: anybody may register under this name`;
}

/** Client ID Metadata Documents §6.2 (localhost redirects): the document is real, yet any program here can use it. */
function warning(client: Client): Content {
  const local = client.kind === 'metadata-document' && client.metadata.redirect_uris.every(isLoopbackRedirect);
  return (
    local &&
    html`<p class="note">Any program on your computer can pass itself off as this client. Go on only if you have just started it yourself.</p>`
  );
}

/** The host that will get the code; never the whole URI, in which a host can be hidden. */
export function returnsTo(redirectUri: string): string {
  const url = new URL(redirectUri);
  if (isLoopbackRedirect(redirectUri)) return `a program on this computer (${url.host})`;
  return url.protocol === 'https:' ? url.host : `the program that opens ${url.protocol} links`;
}
