/** What a client of 2026-07-28 has to send, so that tests can leave out or bend each part of it. */

import { fileURLToPath } from 'node:url';

/** The modern server by hand. */
export const modernScript = fileURLToPath(new URL('children/modern.mjs', import.meta.url));
