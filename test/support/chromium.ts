/** A real browser for the tests that need one: the Chromium of this machine, without a screen. */

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

function installed(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** For `test`'s options: why there is no browser, which on CI is a failure instead. */
export const withoutChromium =
  installed() !== undefined || process.env.CI !== undefined
    ? false
    : 'needs Chromium: apt install chromium, or Google Chrome on the PATH';

export interface Window extends AsyncDisposable {
  readonly page: Page;
  /** What its console complained of, script errors and violations of the content security policy included. */
  readonly complaints: readonly string[];
}

export interface Chromium extends AsyncDisposable {
  /** A window with cookies of its own. */
  open(options?: BrowserContextOptions): Promise<Window>;
}

export async function startChromium(): Promise<Chromium> {
  const executablePath = installed();
  if (executablePath === undefined) throw new Error(`none of ${names.join(', ')} is on the PATH`);
  // Containers have neither the user namespaces of its sandbox nor a large /dev/shm.
  const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'];
  const browser: Browser = await chromium.launch({ executablePath, args });
  return {
    async open(options = {}) {
      const context = await browser.newContext(options);
      context.setDefaultTimeout(10_000);
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(String(error)));
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
      });
      return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}
