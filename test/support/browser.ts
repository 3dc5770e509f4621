/** A browser without a screen: follows redirects and refreshes, keeps cookies, reads the real forms and fills them in. */

import { request } from 'node:http';

/** What the person at the browser does; by default they allow what they are asked. */
export interface Person {
  readonly username?: string;
  readonly password?: string;
  /** Logs in with this identity provider, by its name in the configuration. */
  readonly provider?: string;
  readonly deny?: boolean;
}

export interface Field {
  readonly name: string;
  readonly value: string;
  readonly type: string;
}

export interface Form {
  readonly action: string;
  readonly method: string;
  readonly fields: readonly Field[];
  readonly buttons: readonly { readonly name: string; readonly value: string; readonly label: string }[];
}

export interface Page {
  readonly url: URL;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly html: string;
  /** As read aloud: tags gone, entities resolved. */
  readonly text: string;
  readonly forms: readonly Form[];
}

export interface TestBrowser {
  /** Cookies by name; write to it to plant one. */
  readonly cookies: Map<string, string>;
  /** Every response on the way, redirects too. */
  readonly visited: Page[];
  /** Opens a page as from the address bar; stops where the browser would leave for a URL that starts with `until`. */
  open(url: string | URL, until?: string): Promise<Page>;
  /** Presses the button with this value (or label) on a page, its form filled in. */
  press(page: Page, button: string, fields?: Readonly<Record<string, string>>, until?: string): Promise<Page>;
  /** From an authorization URL, by way of login and consent, to the URL at the client's redirect URI. */
  authorize(url: string | URL, person?: Person): Promise<URL>;
}

export interface BrowserOptions {
  /** Public origin to where it really listens, for a gateway whose public URL has no DNS. */
  readonly origins?: Readonly<Record<string, string>>;
  readonly accept?: string;
}

export function browser({
  origins = {},
  accept = 'text/html,application/xhtml+xml,*/*;q=0.8',
}: BrowserOptions = {}): TestBrowser {
  const cookies = new Map<string, string>();
  const visited: Page[] = [];

  async function send(url: URL, method: string, site: string, body?: string): Promise<Page> {
    const target = new URL(url.pathname + url.search, origins[url.origin] ?? url.origin);
    const headers: Record<string, string> = {
      host: url.host,
      accept,
      'sec-fetch-site': site,
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
      ...(cookies.size > 0 && { cookie: [...cookies].map((pair) => pair.join('=')).join('; ') }),
      ...(body !== undefined && {
        'content-type': 'application/x-www-form-urlencoded',
        'content-length': String(Buffer.byteLength(body)),
      }),
    };
    const page = await new Promise<Page>((resolve, reject) => {
      const outgoing = request(target, { method, headers, agent: false }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const html = Buffer.concat(chunks).toString('utf8');
          resolve({
            url,
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            html,
            text: plain(html),
            forms: forms(html),
          });
        });
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
    for (const line of [page.headers['set-cookie'] ?? []].flat()) keep(line);
    visited.push(page);
    return page;
  }

  function keep(line: string): void {
    const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
    const name = pair.slice(0, pair.indexOf('='));
    const value = pair.slice(name.length + 1);
    if (attributes.some((attribute) => /^max-age=0$/i.test(attribute))) cookies.delete(name);
    else cookies.set(name, value);
  }

  /** Where a response leads by itself: a redirect, or a refresh in the page. */
  function next(page: Page): URL | undefined {
    const { location } = page.headers;
    const refresh = /<meta http-equiv="refresh" content="0; url=([^"]*)">/.exec(page.html)?.[1];
    if (page.status >= 300 && page.status < 400 && typeof location === 'string') return new URL(location, page.url);
    return refresh === undefined ? undefined : new URL(unescaped(refresh), page.url);
  }

  async function follow(first: Page, until: string | undefined): Promise<Page> {
    let page = first;
    for (let hops = 0; hops < 10; hops += 1) {
      const url = next(page);
      if (url === undefined) return page;
      if (until !== undefined && url.href.startsWith(until)) return { ...page, url };
      if (!/^https?:$/.test(url.protocol)) return { ...page, url };
      page = await send(url, 'GET', 'same-origin');
    }
    throw new Error(`more than 10 redirects, the last to ${page.url.href}`);
  }

  async function open(url: string | URL, until?: string): Promise<Page> {
    return await follow(await send(new URL(url), 'GET', 'none'), until);
  }

  async function press(
    page: Page,
    button: string,
    fields: Readonly<Record<string, string>> = {},
    until?: string,
  ): Promise<Page> {
    const form = page.forms.find(({ buttons }) =>
      buttons.some(({ value, label }) => value === button || label === button),
    );
    const pressed = form?.buttons.find(({ value, label }) => value === button || label === button);
    if (form === undefined || pressed === undefined) {
      throw new Error(`no button "${button}" on ${page.url.href} (${page.status}): ${page.text}`);
    }
    const values = form.fields.map(({ name, value }): [string, string] => [name, fields[name] ?? value]);
    const body = new URLSearchParams([...values, [pressed.name, pressed.value]]).toString();
    const url = new URL(form.action, page.url);
    if (form.method !== 'post') {
      url.search = body;
      return await follow(await send(url, 'GET', 'same-origin'), until);
    }
    return await follow(await send(url, 'POST', 'same-origin', body), until);
  }

  async function authorize(url: string | URL, person: Person = {}): Promise<URL> {
    const { username = '', password = '', provider, deny = false } = person;
    const until = new URL(url).searchParams.get('redirect_uri') ?? undefined;
    let page = await open(url, until);
    for (let pages = 0; pages < 5; pages += 1) {
      if (until !== undefined && page.url.href.startsWith(until)) return page.url;
      const offered = page.forms.flatMap(({ buttons }) => buttons.map(({ value }) => value));
      if (page.text.includes('do not match')) break;
      if (deny && offered.includes('deny')) page = await press(page, 'deny', {}, until);
      else if (offered.includes('allow')) page = await press(page, 'allow', {}, until);
      else if (provider !== undefined) page = await press(page, `with:${provider}`, {}, until);
      else if (offered.includes('login')) page = await press(page, 'login', { username, password }, until);
      else break;
    }
    if (until !== undefined && page.url.href.startsWith(until)) return page.url;
    throw new Error(`the way to the client ends at ${page.url.href} (${page.status}): ${page.text}`);
  }

  return { cookies, visited, open, press, authorize };
}

function forms(html: string): Form[] {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)].map(([, head = '', body = '']) => ({
    action: attribute(head, 'action') ?? '',
    method: attribute(head, 'method') ?? 'get',
    fields: [...body.matchAll(/<input\b([^>]*)>/g)].map(([, input = '']) => ({
      name: attribute(input, 'name') ?? '',
      value: attribute(input, 'value') ?? '',
      type: attribute(input, 'type') ?? 'text',
    })),
    buttons: [...body.matchAll(/<button\b([^>]*)>([\s\S]*?)<\/button>/g)].map(([, button = '', label = '']) => ({
      name: attribute(button, 'name') ?? '',
      value: attribute(button, 'value') ?? '',
      label: plain(label),
    })),
  }));
}

function attribute(tag: string, name: string): string | undefined {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];
  return value === undefined ? undefined : unescaped(value);
}

function plain(html: string): string {
  const body = html.replace(/<style>[\s\S]*?<\/style>/g, '').replace(/<title>[\s\S]*?<\/title>/g, '');
  return unescaped(body.replace(/<[^>]*>/g, ' '))
    .replace(/\s+/g, ' ')
    .trim();
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

function unescaped(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name] ?? '');
}
