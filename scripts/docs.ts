/**
 * Writes docs/rfc.md: what each standard demands, the code that decides it and the tests that show it. The sources are the
 * section comments in src/ and the titles of tests. `--check` writes nothing and fails where the file is out of date.
 */

import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mcpAuthorization } from './requirements.ts';

interface Citation {
  readonly standard: string;
  /** Without the sign; empty for the standard as a whole. */
  readonly section: string;
  readonly file: string;
  /** What the comment or title says of it. */
  readonly text: string;
}

const root = join(import.meta.dirname, '..');
const target = join(root, 'docs/rfc.md');
const standards =
  'RFC \\d{4,5}|OAuth 2\\.1|OpenID Connect (?:Core|Discovery|Back-Channel Logout)|MCP \\d{4}-\\d{2}-\\d{2}|WHATWG Fetch';
const citation = new RegExp(`(${standards})((?:(?:,| and)? ?§[\\d.]*\\d)*)`, 'g');

function citations(file: string, text: string): Citation[] {
  return [...text.matchAll(citation)].flatMap(([, standard = '', listed = '']) => {
    const sections = [...listed.matchAll(/§([\d.]+)/g)].map(([, section = '']) => section);
    return (sections.length > 0 ? sections : ['']).map((section) => ({ standard, section, file, text }));
  });
}

/** Neighbouring comment lines are one comment. */
function comments(source: string): string[] {
  const found: string[] = [];
  let open = false;
  for (const line of source.split('\n')) {
    const text = /^\s*(?:\/\/|\/\*\*|\*(?!\/))\s?(.*?)(?:\s*\*\/)?$/.exec(line)?.[1];
    const starts = text !== undefined && (!open || /^\s*\/\*\*/.test(line));
    if (starts) found.push(text);
    else if (text !== undefined) found.push(`${found.pop() ?? ''} ${text}`);
    open = text !== undefined;
  }
  return found.map((text) => text.trim());
}

/** Titles of tests, and of templates as far as they are written out. */
function titles(source: string): string[] {
  return [...source.matchAll(/\btest\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g)].map(([, , title = '']) =>
    title.replace(/\\(.)/g, '$1').replace(/\$\{[^}]*\}/g, '…'),
  );
}

function collect(pattern: string, texts: (source: string) => string[]): Citation[] {
  return globSync(pattern, { cwd: root })
    .sort()
    .flatMap((file) => texts(readFileSync(join(root, file), 'utf8')).flatMap((text) => citations(file, text)));
}

/** A test of §4.14 shows something of §4.14.2, and the other way round. */
function related(a: Citation, b: Citation): boolean {
  if (a.standard !== b.standard) return false;
  const within = (inner: string, outer: string) => outer !== '' && inner.startsWith(`${outer}.`);
  return a.section === b.section || within(a.section, b.section) || within(b.section, a.section);
}

/** The sentence that names the section, without its name where it begins with it. */
function demand({ standard, section, text }: Citation): string {
  const name = section === '' ? standard : `§${section}`;
  const sentences = text.split(/(?<=[.;:]) (?=[A-Z`])/);
  const at = sentences.findIndex((one) => one.includes(name));
  const named = sentences[at] ?? text;
  // `RFC 7636 §4.6.` alone stands behind what it is about.
  const said = new RegExp(`^(?:${standards})[^a-z]*$`).test(named)
    ? (sentences[at - 1] ?? sentences[at + 1] ?? named)
    : named;
  const bare = said.replace(new RegExp(`^(?:(?:${standards}|,| and|§|[\\d.])\\s*)+:\\s*`), '');
  return bare.length > 220 ? `${bare.slice(0, 219)}…` : bare;
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
const link = (file: string) => `[${file.replace(/^(?:src|test)\//, '')}](../${file})`;
const unique = (all: readonly string[]) => [...new Set(all)];
const gap = '**gap**: no test names it';

function tests(found: readonly Citation[]): string {
  const shown = unique(found.map(({ file, text }) => `${link(file)}: ${cell(text)}`));
  const more = shown.length > 4 ? [`and ${shown.length - 3} more`] : [];
  return shown.length === 0 ? gap : [...(more.length > 0 ? shown.slice(0, 3) : shown), ...more].join('<br>');
}

function rowsOf(standard: string, code: readonly Citation[], tested: readonly Citation[]): string[] {
  const mine = [...code, ...tested].filter((one) => one.standard === standard);
  const sections = unique(mine.map(({ section }) => section)).sort((a, b) =>
    a.localeCompare(b, 'en', { numeric: true }),
  );
  return sections.map((section) => {
    const here = code.filter((one) => one.standard === standard && one.section === section);
    const [first] = here;
    const probe: Citation = { standard, section, file: '', text: '' };
    const shown = tested.filter((one) =>
      first === undefined ? one.section === section && one.standard === standard : related(one, probe),
    );
    const files = unique(here.map(({ file }) => link(file))).join('<br>');
    // A standard as a whole is a subject, not a demand.
    const proof = section === '' && shown.length === 0 ? '' : tests(shown);
    return `| ${section === '' ? 'as a whole' : `§${section}`} | ${first === undefined ? '' : cell(demand(first))} | ${files} | ${proof} |`;
  });
}

function document(): string {
  const code = collect('src/**/*.ts', comments);
  const titled = globSync('test/**/*.test.ts', { cwd: root }).sort();
  const tested = collect('test/**/*.test.ts', titles);
  const numbered = titled.flatMap((file) =>
    titles(readFileSync(join(root, file), 'utf8')).flatMap((text) =>
      unique([...text.matchAll(/\bAU-\d\d\b/g)].map(([id]) => id)).map((id) => ({ id, file, text })),
    ),
  );
  const chapter = Object.entries(mcpAuthorization).map(([id, what]) => {
    const shown = numbered
      .filter((one) => one.id === id)
      .map(({ file, text }) => ({ file, text, standard: id, section: '' }));
    return `| ${id} | ${cell(what)} | ${tests(shown)} |`;
  });
  const parts = unique([...code, ...tested].map(({ standard }) => standard))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((standard) => {
      const rows = rowsOf(standard, code, tested);
      return `## ${standard}\n\n| section | what it asks for | code | shown by |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`;
    });
  const mcp = `## MCP authorization\n\n| | what it asks for | shown by |\n| --- | --- | --- |\n${chapter.join('\n')}\n`;
  const body = [mcp, ...parts].join('\n');
  const gaps = body.split(gap).length - 1;
  const intro = `# Standards, section by section

Made by \`npm run docs\` from the section comments in \`src/\` and the titles of tests; do not edit it. A row marked as a gap is
decided in the code, and no test names its section: ${gaps} of ${body.split('\n').filter((line) => /^\| (?:§|AU|as)/.test(line)).length}.
`;
  return `${intro}\n${body}`;
}

const made = document();
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== made) {
    process.stderr.write('docs/rfc.md is out of date; run: npm run docs\n');
    process.exitCode = 1;
  }
} else {
  writeFileSync(target, made);
}
