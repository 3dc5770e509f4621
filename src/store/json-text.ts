/** The text of a value to be stored. */

/** A TypeError for what JSON cannot say: undefined, functions, bigints, circles. */
export function jsonText(value: unknown): string {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new TypeError('what is stored is JSON');
  return text;
}
