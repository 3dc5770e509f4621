/** The files of the page, read once: beside this file, or inside the single executable. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getAsset, isSea } from 'node:sea';

const types = { html: 'text/html', css: 'text/css', js: 'text/javascript' } as const;

/** By their names; scripts/build-sea.sh puts the same folder into the executable. */
const names = [
  'page.html',
  'style.css',
  'main.js',
  'element.js',
  'units.js',
  'plots.js',
  'servers.js',
  'people.js',
  'keeping.js',
  'timeline.js',
  'log.js',
  'actions.js',
] as const;

export interface Asset {
  readonly body: string;
  readonly contentType: string;
}

export function assets(): ReadonlyMap<string, Asset> {
  return new Map(names.map((name) => [name, { body: text(name), contentType: contentType(name) }]));
}

function text(name: string): string {
  return isSea()
    ? getAsset(`console/${name}`, 'utf8')
    : readFileSync(join(import.meta.dirname, 'browser', name), 'utf8');
}

function contentType(name: string): string {
  const ending = name.slice(name.lastIndexOf('.') + 1) as keyof typeof types;
  return `${types[ending]}; charset=utf-8`;
}
