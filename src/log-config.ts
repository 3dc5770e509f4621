/** The configuration of the log. */

import * as z from 'zod';
import { logLevels } from './log.ts';

export const logConfig = z
  .strictObject({
    level: z.enum(logLevels).default('info').describe('The least important level that is written.'),
    format: z
      .enum(['json', 'pretty'])
      .default(() => (process.stderr.isTTY ? 'pretty' : 'json'))
      .describe('`json` for machines, `pretty` for people. [`pretty` on a terminal, else `json`]'),
    audit: z
      .string()
      .min(1)
      .optional()
      .describe(
        'File to which logins, consents, tokens, calls of tools and administration are appended, as JSON. [none]',
      ),
    access: z.boolean().default(true).describe('Whether one line is written for each request.'),
  })
  .prefault({})
  .describe('What is logged, on standard error.');
