/** Every verb: its help, its exit codes, and what it prints at a terminal, in a pipe and as JSON. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { Command } from 'commander';
import { program } from '../../src/cli.ts';
import { people } from '../support/oauth-client.ts';
import { runProgram, startProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const root = join(import.meta.dirname, '../..');

interface Verb {
  readonly path: string;
  readonly command: Command;
}

function verbsBelow(command: Command, path = ''): Verb[] {
  return command.commands.flatMap((each) => {
    const own = `${path} ${each.name()}`.trim();
    return each.commands.length > 0 ? verbsBelow(each, own) : [{ path: own, command: each }];
  });
}

const verbs = verbsBelow(program);
/** They print no data: the gateway itself, a bridge between two streams, and a script for a shell. */
const withoutData = new Set(['serve', 'connect', 'completion']);

test('every verb has help with an example of itself, and --json where it prints data', () => {
  for (const { path, command } of verbs) {
    let help = '';
    const writeOut = (part: string) => {
      help += part;
    };
    command.configureOutput({ writeOut }).outputHelp();
    assert.match(help, new RegExp(`Examples:\\n  \\$ mcp-gateway ${path}`), path);
    assert.equal(help.includes('--json'), !withoutData.has(path), path);
    for (const { long, description } of command.options) assert.ok(description.length > 0, `${path} ${long}`);
    for (const argument of command.registeredArguments) assert.ok(argument.description.length > 0, path);
  }
});

test('the README names every verb', () => {
  const [, rows = ''] = /\n## Verbs\n([\s\S]*?)\n## /.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  for (const { path } of verbs) {
    const [first = '', second = ''] = path.split(' ');
    const row = rows.split('\n').find((line) => line.startsWith('| `') && line.includes(`\`${first}`)) ?? '';
    assert.ok(row.includes(second), path);
  }
});

/** Words for each verb of a running gateway, with what they need. */
const asked: Record<string, readonly string[]> = {
  'token issue': ['--user', 'alice', '--server', 'one'],
  'token revoke': ['nobody'],
  'client show': ['nobody'],
  'client delete': ['nobody'],
  'client add': ['--redirect-uri', 'https://a.example/cb'],
  'user remove': ['nobody'],
};
/** `user add` is left out where nobody answers: it would read the password first. */
const admin = verbs.filter(
  ({ path, command }) =>
    command.options.some(({ long }) => long === '--state-dir') &&
    !['serve', 'init', 'connect', 'user add'].includes(path),
);
const oneSentence = /^mcp-gateway: [^\n]+\n$/;

test('where no gateway runs, every verb for one says so in one sentence', async () => {
  assert.ok(admin.length >= 15, String(admin.length));
  await using directory = await temporaryDirectory();
  for (const { path } of admin) {
    const words = [...path.split(' '), ...(asked[path] ?? []), '--state-dir', directory.path];
    const sentence = /^no gateway runs here: [^\n]*; start it with "mcp-gateway serve"[^\n]*$/;
    await assert.rejects(program.parseAsync(words, { from: 'user' }), { message: sentence }, path);
  }
  const { code, stdout, stderr } = await runProgram(['status', '--state-dir', directory.path]);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, oneSentence);
});

test('wrong usage ends with 2, and one sentence that names the help of the verb', async () => {
  const rows: [string[], RegExp][] = [
    [['statuss'], /unknown command 'statuss', did you mean status\? \(see: mcp-gateway --help\)/],
    [['key', 'list', '--jsn'], /unknown option '--jsn', did you mean --json\? \(see: mcp-gateway key list --help\)/],
    [['token', 'issue'], /required option '--user <name>' not specified \(see: mcp-gateway token issue --help\)/],
    [['token', 'revoke'], /missing required argument 'id' \(see: mcp-gateway token revoke --help\)/],
    [['completion', 'ksh'], /Allowed choices are bash, zsh, fish\. \(see: mcp-gateway completion --help\)/],
  ];
  for (const [words, message] of rows) {
    const { code, stderr } = await runProgram(words);
    assert.equal(code, 2, words.join(' '));
    assert.match(stderr, oneSentence);
    assert.match(stderr, message);
  }
});

/** What a terminal of so many columns shows. */
async function atTerminal(columns: number, words: readonly string[], cwd: string): Promise<string[]> {
  const quoted = [process.execPath, join(root, 'src/cli.ts'), ...words].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qec', `stty cols ${columns}; ${quoted}`, '/dev/null'], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [out, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  assert.equal(code, 0, out);
  return out.split('\r\n');
}

test('what a running gateway tells is JSON for programs, fits the terminal of people, and has no colour', async () => {
  await using directory = await temporaryDirectory();
  const cwd = directory.path;
  const file = join(cwd, 'gateway.config.json');
  const server = { command: process.execPath, args: [join(root, 'test/support/children/server.mjs')] };
  const { hashPassword } = await import('../../src/oauth/password.ts');
  const users = { alice: { hash: await hashPassword(people.alice, { ln: 4, r: 8, p: 1 }) } };
  const config = {
    publicUrl: 'http://127.0.0.1:8080',
    stateDir: join(cwd, 'state'),
    entrypoints: { http: { listen: '127.0.0.1:0' } },
    auth: { login: { password: { users } } },
    mcpServers: { one: server },
  };
  await using gateway = await startProgram({ config });
  writeFileSync(file, JSON.stringify(config));
  const redirect = 'https://client.example/a/very/long/path/for/the/codes/that/are/to/return/callback';
  const json = async (...words: string[]) => {
    const { code, stdout, stderr } = await runProgram([...words, '--json'], { cwd });
    assert.equal(code, 0, `${words.join(' ')}: ${stderr}`);
    return JSON.parse(stdout);
  };
  const { id } = await json('client', 'add', '--redirect-uri', redirect, '--name', 'A client of many words');
  await json('token', 'issue', '--user', 'password:alice', '--server', 'one');
  assert.ok(gateway.url.length > 0);

  for (const verb of ['status', 'status --timeline', 'routes', 'token list', 'client list', 'check --offline']) {
    const lines = await atTerminal(70, verb.split(' '), cwd);
    for (const line of lines) assert.ok(line.length <= 70, `${verb}: ${line}`);
    assert.ok(!lines.join('').includes('\u001b'), verb);
  }
  const more = [`client show ${id}`, 'user list', 'key list', 'cert list', 'config show', 'reload', 'check --offline'];
  for (const verb of ['status', 'routes', 'token list', 'client list', ...more])
    assert.ok(await json(...verb.split(' ')), verb);
});
