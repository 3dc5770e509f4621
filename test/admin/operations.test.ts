import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { hashPassword } from '../../src/oauth/password.ts';
import { browser } from '../support/browser.ts';
import { authorizationUrl, knock, pkce, redeem, redirectUri, register } from '../support/oauth-client.ts';
import { type Finished, type Program, runProgram, startProgram } from '../support/program.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts';

/** Behind the guard a POST without a session is 400: whoever gets that far was let in. */
const letIn = 400;

let state: TemporaryDirectory;
let program: Program;

before(async () => {
  state = await temporaryDirectory();
  const hash = await hashPassword('correct horse', { ln: 4, r: 8, p: 1 });
  program = await startProgram({
    config: {
      stateDir: state.path,
      limits: { drain: '0' },
      auth: {
        login: { password: { users: { alice: { hash } } } },
        clients: [{ client_id: 'fixed', redirect_uris: ['https://fixed.example/cb'] }],
      },
      mcpServers: {
        one: { command: 'true' },
        two: { command: 'true', scopes: ['files', 'mail'] },
        closed: { command: 'true', allow: { users: ['bob'] } },
      },
    },
  });
});

after(async () => {
  await program[Symbol.asyncDispose]();
  await rm(state.path, { recursive: true, force: true });
});

const run = (words: string, input?: string): Promise<Finished> =>
  runProgram([...words.split(' '), '--state-dir', state.path], input === undefined ? {} : { input });

async function done(words: string, input?: string): Promise<string> {
  const { code, stdout, stderr } = await run(words, input);
  assert.equal(code, 0, `${words}: ${stderr}`);
  return stdout;
}

async function refused(words: string, message: RegExp, code = 1, input?: string): Promise<void> {
  const finished = await run(words, input);
  assert.equal(finished.code, code, `${words}: ${finished.stdout}`);
  assert.match(finished.stderr, message);
  assert.doesNotMatch(finished.stderr, /\n\s+at /);
}

async function logIn(username: string, password: string): Promise<{ clientId: string; token: string }> {
  const { client_id: clientId } = await register(program.url, { client_name: `Client of ${username}` });
  const { verifier, challenge } = pkce();
  const back = await browser().authorize(authorizationUrl(program.url, clientId, challenge), { username, password });
  const { status, body } = await redeem(program.url, clientId, {
    code: back.searchParams.get('code') ?? '',
    verifier,
  });
  assert.equal(status, 200, JSON.stringify(body));
  return { clientId, token: body.access_token };
}

test('a personal token is shown once, opens the servers it names and no other, and is taken back at once', async () => {
  const issued = await run('token issue --user alice --server one --ttl 1h');
  assert.equal(issued.code, 0, issued.stderr);
  const token = issued.stdout.trim();
  assert.equal((await knock(program.url, token)).status, letIn);
  assert.equal((await knock(program.url, token, 'two')).status, 401);

  const [listed] = JSON.parse(await done('token list --json'));
  assert.equal(listed.username, 'alice');
  assert.ok(Math.abs(listed.expiresAt - Date.now() / 1000 - 3600) < 60);
  assert.ok(!JSON.stringify(listed).includes(token));
  assert.match(await done('token list'), /alice/);
  assert.ok(!program.errors().includes(token), 'the log never has the token');

  await done(`token revoke ${listed.id}`);
  assert.equal((await knock(program.url, token)).status, 401);
  assert.deepEqual(JSON.parse(await done('token list --json')), []);
  await refused(`token revoke ${listed.id}`, /there is no personal token/);
});

test('a personal token carries the scope it was given, and 403 follows where that is too little', async () => {
  const narrow = (await done('token issue --user alice --server two --scope files')).trim();
  assert.equal((await knock(program.url, narrow, 'two')).status, 403);
  const whole = JSON.parse(await done('token issue --user alice --server one --server two --name ci --json'));
  assert.deepEqual([...whole.scope].sort(), ['files', 'mail', 'mcp']);
  assert.equal((await knock(program.url, whole.token, 'two')).status, letIn);
  assert.equal((await knock(program.url, whole.token, 'one')).status, letIn);
});

test('a token that could never be used is not made', async () => {
  await Promise.all([
    refused('token issue --user nobody --server one', /nobody called nobody has logged in here.*password/),
    refused('token issue --user password:nobody --server one', /there is no user nobody/),
    refused('token issue --user alice --server three', /no server three; there are one, two, closed/),
    refused('token issue --user alice --server closed', /alice may not use closed/),
    refused('token issue --user alice --server two --scope other', /the scope other opens nothing there/),
    refused('token issue --user alice --server one --ttl soon', /12h or 30d/, 2),
    refused('token issue --server one', /--user/, 2),
  ]);
});

test('a user who is added can log in; one who is removed is out everywhere, and finds nothing when added again', async () => {
  await done('user add carol', 'battery staple\n');
  assert.deepEqual(JSON.parse(await done('user list --json')), [
    { name: 'alice', from: 'configuration' },
    { name: 'carol', from: 'store' },
  ]);
  const { token } = await logIn('carol', 'battery staple');
  const personal = (await done('token issue --user carol --server one')).trim();
  assert.equal((await knock(program.url, token)).status, letIn);
  await refused('user add carol', /already.*--replace/, 1, 'battery staple\n');
  await done('user add carol --replace', 'another staple\n');
  await assert.rejects(logIn('carol', 'battery staple'));
  await logIn('carol', 'another staple');

  await done('user remove carol');
  assert.equal((await knock(program.url, token)).status, 401);
  assert.equal((await knock(program.url, personal)).status, 401);
  await assert.rejects(logIn('carol', 'another staple'));
  await refused('user remove carol', /there is no user carol/);
});

test('a password that is too short is refused, and nobody changes who is in the configuration', async () => {
  await Promise.all([
    refused('user add dave', /at least 8 characters/, 1, 'short\n'),
    refused('user add alice', /user of the configuration; change the hash/, 1, 'battery staple\n'),
    refused('user remove alice', /user of the configuration; take the name out/),
  ]);
  const printed = await done('user add erin --print', 'battery staple\n');
  assert.match(printed, /^\$scrypt\$ln=17,r=8,p=1\$/);
});

test('clients are listed, shown, added and deleted, and a deleted one is out at once', async () => {
  const { clientId, token } = await logIn('alice', 'correct horse');
  const shown = JSON.parse(await done(`client show ${clientId} --json`));
  assert.equal(shown.metadata.client_name, 'Client of alice');
  assert.equal(shown.grants[0].username, 'alice');
  assert.match(await done(`client show ${clientId}`), /LET IN BY[\s\S]*alice/);
  const listed = await done('client list');
  assert.match(listed, new RegExp(`${clientId}\\s+Client of alice\\s+registered`));
  assert.match(listed, /fixed\s+-\s+configured/);
  assert.match(await done(`client delete ${clientId}`), /one grant ended/);
  assert.equal((await knock(program.url, token)).status, 401);

  const added = JSON.parse(await done(`client add --redirect-uri ${redirectUri} --name Mine --secret --json`));
  assert.ok(added.secret.length >= 43);
  const again = await done(`client show ${added.id} --json`);
  assert.ok(!again.includes(added.secret) && !again.includes('secretHash'));
  await Promise.all([
    refused(`client show ${clientId}`, /there is no client/),
    refused('client delete fixed', /client of the configuration/),
    refused('client add --redirect-uri http://evil.example/cb', /redirect URI/),
    refused('client add', /--redirect-uri/, 2),
  ]);
});

test('keys rotate without a refused request; --compromised ends every access token', async () => {
  const token = (await done('token issue --user alice --server one')).trim();
  let stop = false;
  const statuses = new Set<number>();
  const knocking = (async () => {
    while (!stop) statuses.add((await knock(program.url, token)).status);
  })();
  const [before] = JSON.parse(await done('key list --json'));
  await done('key rotate');
  const jwks = await fetch(`${program.url}/.well-known/jwks.json`);
  const { keys } = (await jwks.json()) as { keys: { kid: string }[] };
  stop = true;
  await knocking;
  assert.deepEqual([...statuses], [letIn]);
  assert.equal(keys.length, 2);
  assert.ok(keys.some(({ kid }) => kid === before.kid));
  const after = (await done('token issue --user alice --server one')).trim();
  assert.equal((await knock(program.url, after)).status, letIn);
  assert.match(await done('key list'), /signs until[\s\S]*|published, signs next/);

  await done('key rotate --compromised');
  assert.equal((await knock(program.url, token)).status, 401);
  assert.equal(JSON.parse(await done('key list --json')).length, 1);
  const fresh = (await done('token issue --user alice --server one')).trim();
  assert.equal((await knock(program.url, fresh)).status, letIn);
});

test('without tls there are no certificates to list or renew', async () => {
  assert.deepEqual(JSON.parse(await done('cert list --json')), []);
  await refused('cert renew', /tls is not configured here/);
});
