import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Asked, faults, tables } from '../support/rule-table.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const skip =
  process.env.TRAEFIK_RULES === undefined
    ? 'set TRAEFIK_RULES=1 to ask a real Traefik, which takes Go, its modules and some minutes to build'
    : false;

/** The same defaults as the table's reader has. */
const question = (rule: string, asked: Asked) => ({
  rule,
  host: asked.host ?? 'a.example',
  path: asked.path ?? '/',
  query: asked.query ?? '',
  method: asked.method ?? 'GET',
  headers: asked.headers ?? {},
  from: asked.from?.includes(':') ? `[${asked.from}]:1` : `${asked.from ?? '192.0.2.1'}:1`,
});

/** Where ours answers otherwise on purpose, and why. */
const ours: Readonly<Record<string, string>> = {
  'Host(`*.example`) {"host":".example"}': 'an empty label is no host, and is 400 before any rule is asked',
  'Host(`[::1]`) {"host":"[::1]"}': 'an IPv6 address is asked for as RFC 3986 §3.2.2 writes it',
  'HostRegexp(`.`)': 'the cost of a regular expression is not the client’s to choose',
  'PathRegexp(`.`)': 'the cost of a regular expression is not the client’s to choose',
  'Host(`{sub:[a-z]+}.example`)': 'of Traefik v2; it would never match',
  'PathPrefix(`/{id}`)': 'of Traefik v2; it would never match',
  'Host(`a b`)': 'no host; it would never match',
  'Host(`a.*.example`)': 'no host; it would never match',
  'PathRegexp(`(a+)+$`)': 'slow in JavaScript, whose regular expressions go back',
  'PathRegexp(`(a|a)*$`)': 'slow in JavaScript, whose regular expressions go back',
  'PathRegexp(`((a+)b?)+$`)': 'slow in JavaScript, whose regular expressions go back',
  'HostRegexp(`(.+\\.)+x`)': 'slow in JavaScript, whose regular expressions go back',
};

describe('the router of Traefik v3 itself', { skip }, () => {
  test('matches what ours matches and refuses what ours refuses, but for what is listed above', async () => {
    await using directory = await temporaryDirectory();
    const program = join(directory.path, 'rules');
    cpSync(join(import.meta.dirname, '../support/traefik'), directory.path, { recursive: true });
    execFileSync('go', ['build', '-mod=mod', '-o', program, '.'], { cwd: directory.path, stdio: 'inherit' });
    const rows = Object.values(tables).flat();
    const questions = [
      ...rows.map(([rule, asked]) => question(rule, asked)),
      ...faults.map(([rule]) => question(rule, {})),
    ];
    const { stdout, status } = spawnSync(program, { input: JSON.stringify(questions), encoding: 'utf8' });
    assert.equal(status, 0);
    const answers = JSON.parse(stdout) as string[];
    const differing = questions.filter((_, at) => {
      const expected = at < rows.length ? String(rows[at]?.[2]) : 'error';
      return expected !== (answers[at]?.startsWith('error') ? 'error' : answers[at]);
    });
    const written = differing.map(({ rule, host, path }) =>
      host.length + path.length > 1000 || host === 'a.example' ? rule : `${rule} ${JSON.stringify({ host })}`,
    );
    assert.deepEqual(written, Object.keys(ours));
  });
});
