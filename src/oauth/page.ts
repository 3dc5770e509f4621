/** The frame of every page: layout, style and the headers that keep it ours (RFC 9700 §4.16: framed by nobody). */

import { createHash } from 'node:crypto';
import type { Reply } from '../router/handler.ts';
import { type Content, html, type Markup, text } from './html.ts';

const style = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #f5f6f8; --card: #fff; --line: #d0d7de;
  --accent: #0b5cad; --on-accent: #fff; --warn-ink: #6a3c00; --warn: #fff4dc; --bad-ink: #8c1420; --bad: #ffebec }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebef; --soft: #a3adb8; --paper: #0f1216; --card: #191d23;
  --line: #363d47; --accent: #7ab8ff; --on-accent: #06213f; --warn-ink: #ffd58a; --warn: #33260c; --bad-ink: #ffb3b8; --bad: #3a1519 } }
* { box-sizing: border-box }
body { margin: 0; padding: 1.5rem 1rem; min-height: 100vh; display: flex; align-items: center; justify-content: center;
  background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 30rem; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: .75rem }
h1 { margin: 0 0 1rem; font-size: 1.4rem; line-height: 1.3; overflow-wrap: anywhere }
h2 { margin: 1.75rem 0 .5rem; font-size: 1.05rem; overflow-wrap: anywhere }
p { margin: 0 0 1rem; overflow-wrap: anywhere }
dl { margin: 0 0 1.25rem; border-top: 1px solid var(--line) }
dl > div { padding: .6rem 0; border-bottom: 1px solid var(--line) }
dt { color: var(--soft); font-size: .875rem }
dd { margin: 0; overflow-wrap: anywhere }
ul { margin: 0; padding: 0; list-style: none }
small, .soft { color: var(--soft); font-size: .875rem }
code { font: .9em ui-monospace, monospace }
.note, .bad { padding: .6rem .8rem; border-radius: .5rem; background: var(--warn); color: var(--warn-ink) }
.bad { background: var(--bad); color: var(--bad-ink) }
label { display: block; margin: 0 0 .25rem; font-weight: 600 }
input:not([type=hidden]) { width: 100%; margin: 0 0 1rem; padding: .6rem .7rem; border: 1px solid var(--soft); border-radius: .5rem;
  background: var(--card); color: var(--ink); font: inherit }
input.code { font: 1.5rem ui-monospace, monospace; letter-spacing: .15em; text-transform: uppercase }
button { width: 100%; margin: 0 0 .6rem; padding: .65rem 1rem; border: 1px solid var(--soft); border-radius: .5rem;
  background: transparent; color: var(--ink); font: inherit; font-weight: 600; cursor: pointer }
button.main { border-color: var(--accent); background: var(--accent); color: var(--on-accent) }
h2 + dl { margin-top: .25rem }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
button.small { width: auto; padding: .3rem .8rem; font-size: .875rem }
button:last-child { margin-bottom: 0 }
form + form { margin-top: .6rem }
a { color: var(--accent) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.or { display: flex; align-items: center; gap: .75rem; margin: 1.1rem 0; color: var(--soft); font-size: .875rem }
.or::before, .or::after { content: ''; flex: 1; border-top: 1px solid var(--line) }
@media (max-width: 30rem) { body { padding: 0; align-items: stretch } main { padding: 1.5rem 1.1rem; border: 0; border-radius: 0 } }
`;

const styleHash = createHash('sha256').update(style).digest('base64');

/**
 * `form-action 'self'` holds because no form leads elsewhere: a browser applies it to every redirect that follows a POST
 * as well, so an answer to a POST leaves by `leavingPage` instead. No Cross-Origin-Opener-Policy: web clients open us in
 * a window and wait for their own page to speak to its opener.
 */
const headers = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

export interface Page {
  readonly title: string;
  readonly body: Content;
  readonly status?: number;
  /** Besides those every page has. */
  readonly headers?: Reply['headers'];
  /** Where the browser goes by itself. */
  readonly next?: string;
}

export function page({ title, body, status = 200, headers: more, next }: Page): Reply {
  const document: Markup = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
${next !== undefined && html`<meta http-equiv="refresh" content="0; url=${next}">`}
<title>${title}</title>
${styleElement}
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
  return { status, headers: { ...headers, ...more }, body: text(document) };
}

// Built once, and so that its content is exactly what was hashed.
const styleElement = html(Object.assign([`<style>${style}</style>`], { raw: [] }));

/** Something to tell, and nothing to ask. */
export function messagePage(title: string, message: Content, options: Pick<Page, 'status' | 'headers'> = {}): Reply {
  return page({ title, body: html`<h1>${title}</h1>\n<p>${message}</p>`, ...options });
}

/** Sends the browser elsewhere after a POST. A page of its own, so that the new navigation is no part of the form's. */
export function leavingPage(location: string, destination: string, more: Reply['headers'] = {}): Reply {
  return page({
    title: `Going on to ${destination}`,
    body: html`<h1>Going on to <bdi>${destination}</bdi></h1>
<p>If nothing happens, <a href="${location}">go on yourself</a>. Then you can close this window.</p>`,
    next: location,
    headers: more,
  });
}
