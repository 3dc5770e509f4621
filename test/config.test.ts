import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { configJsonSchema, type GatewayConfig, loadConfig } from '../src/config.ts';
import { ConfigError } from '../src/config-file.ts';
import { routeTable } from '../src/gateway.ts';
import { silent } from '../src/log.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const root = join(import.meta.dirname, '..');

async function load(config: object | string, env: NodeJS.ProcessEnv = {}, files: Record<string, string> = {}) {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'gateway.config.json');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory.path, name), text);
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config));
  return loadConfig({ file, env });
}

async function faultsOf(...input: Parameters<typeof load>): Promise<readonly { path: string; message: string }[]> {
  try {
    await load(...input);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.faults;
  }
  throw new assert.AssertionError({ message: 'the configuration was taken' });
}

test('an empty object is a configuration: everything has its default', async () => {
  const config: GatewayConfig = await load({});
  assert.equal(config.entrypoints.http.listen, '127.0.0.1:8080');
  assert.equal(config.store, 'memory:');
  assert.equal(config.auth.accessTokenLifetime, 1800);
  assert.equal(config.auth.signingAlgorithm, 'RS256');
});

test('workers is 1, and another number is told why it is not', async () => {
  assert.equal((await load({ workers: 1 })).workers, 1);
  const [fault] = await faultsOf({ workers: 2 });
  assert.equal(fault?.path, 'workers');
  assert.match(fault?.message ?? '', /a second process gains too little/);
});

test('the example file at the top level is valid', () => {
  const example = JSON.parse(readFileSync(join(root, 'gateway.config.example.json'), 'utf8')) as object;
  return assert.doesNotReject(
    load(
      example,
      { GITHUB_CLIENT_SECRET: 'secret', SEARCH_API_KEY: 'key' },
      { 'alice.hash': '$scrypt$ln=4,r=8,p=1$AAAA$AAAA' },
    ),
  );
});

test('five faults are reported at once, each with its path and how to mend it', async () => {
  const faults = await faultsOf({
    publicUrl: 'http://mcp.example.com',
    mcpServer: {},
    auth: {
      accessTokenLifetime: '30 minutes',
      login: { github: { clientId: 'x', clientSecret: { $env: 'NOT_SET' } } },
    },
    mcpServers: { files: { comand: 'npx' } },
  });
  const found = Object.fromEntries(faults.map(({ path, message }) => [path, message]));
  assert.match(found.publicUrl ?? '', /must be https/);
  assert.match(found.mcpServer ?? '', /did you mean "mcpServers"/);
  assert.match(found['auth.accessTokenLifetime'] ?? '', /write it like "30s"/);
  assert.match(found['auth.login.github.clientSecret'] ?? '', /environment variable NOT_SET is not set/);
  assert.match(found['mcpServers.files.comand'] ?? '', /did you mean "command"/);
});

const refused: [title: string, config: object | string, path: string, message: RegExp][] = [
  ['text that is not JSON', '{"a": 1,}', '', /is not JSON: .*line 1 column 9/],
  ['an array', '[]', '', /must be a JSON object/],
  ['a path in publicUrl', { publicUrl: 'https://a.example/x' }, 'publicUrl', /scheme and host alone/],
  [
    'RFC 9700 §2.6: an issuer without TLS that is not loopback',
    { publicUrl: 'http://a.example' },
    'publicUrl',
    /must be https/,
  ],
  [
    'one of several OpenID Connect providers without its secret',
    { auth: { login: { oidc: [{ preset: 'google', clientId: 'x' }] } } },
    'auth.login.oidc[0].clientSecret',
    /expected string/,
  ],
  [
    'an OpenID Connect provider without its id',
    { auth: { login: { oidc: { preset: 'google', clientSecret: 'x' } } } },
    'auth.login.oidc.clientId',
    /expected string/,
  ],
  ['a word for a provider', { auth: { login: { oidc: 'google' } } }, 'auth.login.oidc', /object.*, or .*array/],
  ['a slip in a mode', { auth: { registration: 'opne' } }, 'auth.registration', /"open"\|"closed".*, or .*object/],
  ['a slip in a quota', { auth: { registration: { perDai: 3 } } }, 'auth.registration.perDai', /did you mean "perDay"/],
  [
    'an open address where nobody can log in',
    { publicUrl: 'https://a.example', entrypoints: { http: { listen: ':8080' } } },
    'entrypoints.http.listen',
    /nobody can log in/,
  ],
  [
    'an open address without a publicUrl',
    { auth: { login: { password: {} } }, entrypoints: { http: { listen: '0.0.0.0:8080' } } },
    'publicUrl',
    /is needed/,
  ],
  ['a file store without a directory', { store: 'file:' }, 'store', /needs stateDir/],
  ['an unknown kind of store', { store: 'mysql:' }, 'store', /is not a store/],
  ['a server with neither command nor url', { mcpServers: { a: {} } }, 'mcpServers.a', /either "command" or "url"/],
  [
    'a server with both',
    { mcpServers: { a: { command: 'x', url: 'http://127.0.0.1:1' } } },
    'mcpServers.a',
    /either "command" or "url"/,
  ],
  ['a server name that is no path segment', { mcpServers: { 'a/b': { command: 'x' } } }, 'mcpServers["a/b"]', /./],
  ['a number for a duration', { auth: { accessTokenLifetime: 30 } }, 'auth.accessTokenLifetime', /expected string/],
  ['a reference to nothing', { store: { $env: '' } }, 'store.$env', /names nothing/],
  ['a file that is not there', { store: { $file: 'gone' } }, 'store', /cannot be read/],
];

for (const [title, config, path, message] of refused) {
  test(`refused: ${title}`, async () => {
    const faults = await faultsOf(config);
    const fault = faults.find((each) => each.path === path);
    assert.ok(fault, `no fault at ${path}: ${JSON.stringify(faults)}`);
    assert.match(fault.message, message);
  });
}

test('two servers at one path are refused', async () => {
  const faults = await faultsOf({
    mcpServers: { a: { command: 'x' }, b: { command: 'y', path: '/a/mcp' } },
  });
  assert.deepEqual(
    faults.map(({ path }) => path),
    ['mcpServers.b'],
  );
});

test('any string may come from the environment or a file, whose final newline is left off', async () => {
  const config = await load(
    { store: { $env: 'STORE' }, mcpServers: { a: { command: 'x', env: { KEY: { $file: 'key' } } } } },
    { STORE: 'memory:' },
    { key: ' secret \n' },
  );
  assert.equal(config.store, 'memory:');
  assert.deepEqual(config.mcpServers.a?.env, { KEY: ' secret ' });
});

test('systemd.exec(5): the first directory of STATE_DIRECTORY keeps the state, in a file', async () => {
  const config = await load({}, { STATE_DIRECTORY: '/var/lib/one:/var/lib/two' });
  assert.equal(config.stateDir, '/var/lib/one');
  assert.equal(config.store, 'file:');
});

test('the command line wins over the file, key by key', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'c.json');
  writeFileSync(file, JSON.stringify({ log: { level: 'warn', format: 'json' }, mcpServers: { a: { command: 'x' } } }));
  const config = loadConfig({
    file,
    env: {},
    overrides: { log: { level: 'debug' }, mcpServers: { b: { command: 'y' } } },
  });
  assert.equal(config.log.level, 'debug');
  assert.equal(config.log.format, 'json');
  assert.deepEqual(Object.keys(config.mcpServers), ['a', 'b']);
});

test('the JSON Schema describes every key', () => {
  const undescribed: string[] = [];
  const visit = (schema: unknown, path: string): void => {
    if (typeof schema !== 'object' || schema === null) return;
    const { properties, additionalProperties, anyOf, items } = schema as Record<string, unknown>;
    for (const [key, child] of Object.entries((properties ?? {}) as Record<string, { description?: string }>)) {
      if (child.description === undefined) undescribed.push(`${path}.${key}`);
      visit(child, `${path}.${key}`);
    }
    visit(additionalProperties, `${path}.NAME`);
    visit(items, `${path}[]`);
    for (const each of (anyOf ?? []) as unknown[]) visit(each, path);
  };
  visit(configJsonSchema(), 'config');
  assert.deepEqual(undescribed, []);
});

for (const [file, count] of [
  ['docs/routing.md', 3],
  ['docs/authorization.md', 4],
] as const) {
  test(`each example of ${file} is valid, and every router of it works`, async () => {
    const text = readFileSync(join(root, file), 'utf8');
    const examples = [...text.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, example = '']) => example);
    assert.equal(examples.length, count);
    const env = { GITHUB_CLIENT_SECRET: 'a', GOOGLE_CLIENT_SECRET: 'b', KEYCLOAK_CLIENT_SECRET: 'c' };
    for (const example of examples) {
      const config = await load(example, env, { 'alice.hash': '$scrypt$ln=4,r=8,p=1$AAAA$AAAA' });
      const table = await routeTable(config, silent);
      assert.deepEqual(
        table.filter(({ disabled }) => disabled !== undefined),
        [],
      );
    }
  });
}
