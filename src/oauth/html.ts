/** HTML as values: a template tag that escapes whatever is not markup already, so that nothing a client says becomes a tag. */

const markup: unique symbol = Symbol('markup');

/** Markup made by `html` and by nothing else. */
export interface Markup {
  readonly [markup]: string;
}

export type Content = Markup | string | number | false | undefined | readonly Content[];

/** Text and attribute values are escaped alike; attributes must be quoted. `false` and `undefined` are nothing. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return { [markup]: strings.map((text, index) => text + rendered(values[index])).join('') };
}

export const text = (content: Markup): string => content[markup];

function rendered(content: Content): string {
  if (content === undefined || content === false) return '';
  if (typeof content === 'string' || typeof content === 'number') return escaped(String(content));
  if (markup in content) return content[markup];
  return content.map(rendered).join('');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escaped = (raw: string): string => raw.replace(/[&<>"']/g, (character) => entities[character] ?? '');

/**
 * What a stranger wrote, for people to read: without control characters and without marks that turn the direction of
 * writing, which could make one host look like another; cut to a length.
 */
export function readable(raw: string, limit = 80): string {
  const clean = raw.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}]/gu, '').trim();
  const characters = [...clean];
  return characters.length > limit ? `${characters.slice(0, limit - 1).join('')}…` : clean;
}
