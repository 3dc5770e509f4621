/** Who may come in, as the room that knows people settles it. */

import type { Exchange, Reply } from '../router/handler.ts';

export interface Administrator {
  /** `provider:subject` */
  readonly subject: string;
  /** For people to read. */
  readonly username: string;
  /** Good in this browser, for this person. */
  readonly csrf: string;
  /** What the page's answer has to carry. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
}

export interface Door {
  /** For the page itself: who is at the browser, or what anybody else is shown. */
  enter(exchange: Exchange): Promise<Administrator | Reply>;
  /** For what the page asks for. Refuses with 401 who is not logged in and with 403 who is no administrator. */
  check(exchange: Exchange): Promise<Administrator>;
  /** As `check`, for what changes something: refuses with 403 what was not sent by our page in this browser. */
  approve(exchange: Exchange): Promise<Administrator>;
}
