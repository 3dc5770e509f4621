/** The two quantities a configuration is written in: durations and sizes. */

import * as z from 'zod';

const seconds = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400 } as const;
const bytes = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 } as const;

/** `"30s"`, `"10m"`, `"12h"`, `"30d"`, or `"0"`; read as seconds. */
export const duration = z
  .string()
  .regex(/^(0|\d+(ms|s|m|h|d))$/, 'is not a duration; write it like "30s", "10m", "12h" or "30d"')
  .transform((text) => quantity(text, seconds));

/** `"512b"`, `"64kb"`, `"4mb"`; read as bytes. */
export const size = z
  .string()
  .regex(/^\d+(b|kb|mb|gb)$/i, 'is not a size; write it like "64kb" or "4mb"')
  .transform((text) => quantity(text.toLowerCase(), bytes));

function quantity(text: string, units: Readonly<Record<string, number>>): number {
  const [, digits = '0', unit = ''] = /^(\d+)(\D*)$/.exec(text) ?? [];
  return Number(digits) * (units[unit] ?? 1);
}
