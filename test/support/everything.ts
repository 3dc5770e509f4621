/** The reference server, as a command over stdio. */

import { join } from 'node:path';

const entry = '../../node_modules/@modelcontextprotocol/server-everything/dist/index.js';

export const everything: readonly string[] = [process.execPath, join(import.meta.dirname, entry), 'stdio'];
