import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readClientFile } from '../../src/commands/client-file.ts';
import { runProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('init writes a configuration that check accepts, for its owner alone, and never over another one', async () => {
  await using directory = await temporaryDirectory();
  const cwd = directory.path;
  const file = join(cwd, 'gateway.config.json');
  const written = await runProgram(['init', '--user', 'alice', '--', 'node', 'server.js'], {
    cwd,
    input: 'correct horse\n',
  });
  assert.equal(written.code, 0, written.stderr);
  assert.match(written.stdout, /Wrote gateway\.config\.json\. Next:[\s\S]*mcp-gateway serve/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const config = JSON.parse(readFileSync(file, 'utf8'));
  assert.match(config.auth.login.password.users.alice.hash, /^\$scrypt\$ln=17/);
  assert.deepEqual(config.mcpServers, { mcp: { command: 'node', args: ['server.js'] } });
  const checked = await runProgram(['check', '--offline'], { cwd });
  assert.equal(checked.code, 0, checked.stderr);

  const again = await runProgram(['init', '--user', 'bob'], { cwd, input: 'correct horse\n' });
  assert.equal(again.code, 1);
  assert.match(again.stderr, /is there already; name another with -c, or overwrite it with --force/);
  assert.match(readFileSync(file, 'utf8'), /alice/);
  const forced = await runProgram(['init', '--user', 'bob', '--force'], { cwd, input: 'correct horse\n' });
  assert.equal(forced.code, 0, forced.stderr);
  assert.doesNotMatch(readFileSync(file, 'utf8'), /alice/);
});

test('init for a host on the internet refers to the secret and says what is left to do', async () => {
  await using directory = await temporaryDirectory();
  const flags = ['--public-url', 'https://mcp.example.com', '--github-client-id', 'Iv1.1', '--allow', 'octocat'];
  const { code, stdout, stderr } = await runProgram(['init', ...flags], { cwd: directory.path });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /GITHUB_CLIENT_SECRET[\s\S]*callback URL of that app to https:\/\/mcp\.example\.com\/callback/);
  const config = JSON.parse(readFileSync(join(directory.path, 'gateway.config.json'), 'utf8'));
  assert.deepEqual(config.auth.login.github.clientSecret, { $env: 'GITHUB_CLIENT_SECRET' });
  assert.deepEqual(config.tls, { acme: {} });
  const rows: [string[], number, RegExp][] = [
    [['--public-url', 'nonsense', '-c', 'a'], 1, /nonsense is no URL/],
    [['--login', 'magic', '-c', 'b'], 2, /Allowed choices are github, password/],
    [['-c', 'c'], 1, /at least 8 characters/],
    [['--public-url', 'http://mcp.example.com', '-c', 'd', '--login', 'github', '--github-client-id', 'x'], 1, /https/],
  ];
  await Promise.all(
    rows.map(async ([words, status, message]) => {
      const refused = await runProgram(['init', ...words], { cwd: directory.path });
      assert.equal(refused.code, status, refused.stdout);
      assert.match(refused.stderr, message);
    }),
  );
});

test('the servers of Claude Desktop, Cursor and VS Code are read, and secrets become references', () => {
  const { mcpServers, secrets, notes } = readClientFile(`\uFEFF{
    // Cursor allows comments
    "mcpServers": {
      "Git Hub": { "command": "npx", "args": ["-y", "server-github"], "env": { "GITHUB_PERSONAL_ACCESS_TOKEN": "ghp_abcdefghij1", "LOG": "http://x//y" } },
      "search": { "url": "https://search.example/mcp", "headers": { "Authorization": "Bearer abc", "X-Team": "a" } },
      "keys": { "command": "tool", "args": ["--api-key", "s3cret", "--token=t0ken", "plain, ]"], "disabled": true },
      "db": { "command": "pg", "args": ["postgres://me:pw@host/db"] },
      "wrapped": { "command": "npx", "args": ["-y", "mcp-remote@latest", "https://far.example/mcp"] },
      "old": { "type": "sse", "url": "https://old.example/sse" },
      "broken": { "nothing": 1 },
    }, /* the end */
  }`);
  assert.deepEqual(mcpServers, {
    'Git-Hub': {
      command: 'npx',
      args: ['-y', 'server-github'],
      env: { GITHUB_PERSONAL_ACCESS_TOKEN: { $env: 'GITHUB_PERSONAL_ACCESS_TOKEN' }, LOG: 'http://x//y' },
    },
    search: {
      url: 'https://search.example/mcp',
      headers: { Authorization: { $env: 'SEARCH_AUTHORIZATION' }, 'X-Team': 'a' },
    },
    keys: {
      command: 'tool',
      args: ['--api-key', { $env: 'KEYS_API_KEY' }, { $env: 'KEYS_TOKEN' }, 'plain, ]'],
      enabled: false,
    },
    db: { command: 'pg', args: [{ $env: 'DB_SECRET' }] },
    wrapped: { url: 'https://far.example/mcp' },
  });
  assert.ok(!JSON.stringify({ secrets, notes }).match(/ghp_|s3cret|t0ken|pw@/));
  assert.deepEqual(
    notes.map((note) => note.split(':')[0]),
    ['Git Hub', 'wrapped', 'old', 'broken'],
  );
  const code = readClientFile(
    `{"inputs": [], "servers": {"a": {"type": "stdio", "command": "x", "env": {"K": "\${input:api-key}", "HOME2": "\${env:HOME}"}}}}`,
  );
  assert.deepEqual(code.mcpServers.a?.env, { K: { $env: 'API_KEY' }, HOME2: { $env: 'HOME' } });
});

test('import adds to a configuration, keeps what is there, and replaces nothing unasked', async () => {
  await using directory = await temporaryDirectory();
  const cwd = directory.path;
  const config = join(cwd, 'mine.json');
  writeFileSync(config, JSON.stringify({ stateDir: './s', mcpServers: { kept: { command: 'true' } } }), {
    mode: 0o640,
  });
  writeFileSync(
    join(cwd, 'theirs.json'),
    JSON.stringify({ mcpServers: { new: { command: 'x', env: { MY_TOKEN: 'abc' } } } }),
  );
  const printed = await runProgram(['import', 'theirs.json'], { cwd });
  assert.equal(printed.code, 0, printed.stderr);
  assert.deepEqual(JSON.parse(printed.stdout).mcpServers.new.env, { MY_TOKEN: { $env: 'MY_TOKEN' } });
  assert.match(printed.stderr, /export MY_TOKEN=…/);
  assert.ok(!`${printed.stdout}${printed.stderr}`.includes('abc'));
  const added = await runProgram(['import', 'theirs.json', '-c', 'mine.json'], { cwd });
  assert.equal(added.code, 0, added.stderr);
  const now = JSON.parse(readFileSync(config, 'utf8'));
  assert.deepEqual(Object.keys(now.mcpServers), ['kept', 'new']);
  assert.equal(now.stateDir, './s');
  assert.equal(statSync(config).mode & 0o777, 0o640);
  const again = await runProgram(['import', 'theirs.json', '-c', 'mine.json'], { cwd });
  assert.match(again.stderr, /has new already; replace with --force/);
  writeFileSync(join(cwd, 'bad.json'), '{"mcpServers": {"a": {"env": {"PASSWORD": "hush"');
  const bad = await runProgram(['import', 'bad.json'], { cwd });
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /bad\.json cannot be imported: it is not JSON/);
  assert.ok(!bad.stderr.includes('hush'));
});

test('a shell completes verbs, verbs below them and their flags', async () => {
  const { stdout, code } = await runProgram(['completion', 'bash']);
  assert.equal(code, 0);
  const complete = (...words: string[]) => {
    const script = `${stdout}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _mcp_gateway; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split('\n');
  };
  assert.deepEqual(complete('mcp-gateway', 'stat'), ['status']);
  assert.deepEqual(complete('mcp-gateway', 'token', ''), ['issue', 'list', 'revoke', '--help']);
  assert.deepEqual(complete('mcp-gateway', 'token', 'issue', '--us'), ['--user']);
  assert.deepEqual(complete('mcp-gateway', 'token', 'issue', '--user', 'me', '--se'), ['--server']);
  const fish = await runProgram(['completion', 'fish']);
  assert.match(fish.stdout, /__fish_seen_subcommand_from token; and __fish_seen_subcommand_from issue' -l user/);
  const wrong = await runProgram(['completion', 'cmd']);
  assert.equal(wrong.code, 2);
});
