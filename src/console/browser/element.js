/** Elements from data. Text is only ever text: nothing here, or anywhere on the page, reads markup from a string. */

/**
 * @typedef {Node | string | number | false | undefined} Child
 * @typedef {Record<string, string | number | boolean | undefined>} Attributes
 */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes] `false` and `undefined` are left out
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  setAttributes(made, attributes);
  fill(made, ...children);
  return made;
}

/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function drawing(tag, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  setAttributes(made, attributes);
  fill(made, ...children);
  return made;
}

/** @param {Element} to @param {Attributes} attributes */
function setAttributes(to, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) to.setAttribute(name, '');
    else if (value !== false && value !== undefined) to.setAttribute(name, String(value));
  }
}

/** Puts these in the place of what was there. @param {Element} parent @param {...Child} children */
export function fill(parent, ...children) {
  parent.replaceChildren(
    ...children
      .filter((child) => child !== false && child !== undefined)
      .map((child) => (child instanceof Node ? child : String(child))),
  );
}

/** What page.html has under this id. @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`page.html has no #${id}`);
  return found;
}

/** @param {string} id @returns {HTMLTableElement} */
export function tableOf(id) {
  const found = byId(id);
  if (!(found instanceof HTMLTableElement)) throw new Error(`#${id} is no table`);
  return found;
}

/**
 * One row, or group of rows, for each item. What is still there stays as it is, so that it keeps the focus and what is
 * selected; what looks the same is not touched.
 * @template Item
 * @param {Element} parent
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} key
 * @param {(item: Item) => Element} draw
 */
export function keep(parent, items, key, draw) {
  const keyed = [...parent.children].filter((child) => child.hasAttribute('data-key'));
  const before = new Map(keyed.map((child) => [child.getAttribute('data-key'), child]));
  const fixed = parent.children.length - keyed.length;
  const wanted = items.map((item) => {
    const name = key(item);
    const fresh = draw(item);
    fresh.setAttribute('data-key', name);
    const former = before.get(name);
    before.delete(name);
    return former === undefined ? fresh : updated(former, fresh);
  });
  for (const child of before.values()) child.remove();
  wanted.forEach((child, at) => {
    const there = parent.children[fixed + at];
    if (there !== child) parent.insertBefore(child, there ?? null);
  });
}

/** The former, made to look like the fresh one where that can be done part by part; else the fresh one in its place. @param {Element} former @param {Element} fresh */
function updated(former, fresh) {
  if (former.isEqualNode(fresh)) return former;
  const [old, young] = [[...former.children], [...fresh.children]];
  const alike = old.length === young.length && old.every((child, at) => child.tagName === young[at]?.tagName);
  const elementsAlone = former.childNodes.length === old.length && fresh.childNodes.length === young.length;
  if (former.tagName !== fresh.tagName || old.length === 0 || !alike || !elementsAlone) {
    former.replaceWith(fresh);
    return fresh;
  }
  for (const { name } of [...former.attributes]) if (!fresh.hasAttribute(name)) former.removeAttribute(name);
  for (const { name, value } of [...fresh.attributes]) former.setAttribute(name, value);
  old.forEach((child, at) => {
    const other = young[at];
    if (other !== undefined) updated(child, other);
  });
  return former;
}
