/** Writes docs/screenshots/verbs/: what each verb prints at a terminal, from a running gateway, as Chromium draws it. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashPassword } from '../src/oauth/password.ts';
import { startChromium } from '../test/support/chromium.ts';
import { freePort } from '../test/support/free-port.ts';
import { initialized } from '../test/support/mcp-client.ts';
import { people, register } from '../test/support/oauth-client.ts';
import { startProgram } from '../test/support/program.ts';
import { temporaryDirectory } from '../test/support/temporary-directory.ts';

const root = join(import.meta.dirname, '..');
const target = join(root, 'docs/screenshots/verbs');
const columns = 110;
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });

await using directory = await temporaryDirectory();
const cwd = directory.path;
const listen = `127.0.0.1:${await freePort()}`;
const publicUrl = `http://${listen}`;
const everything = join(root, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js');
const config = {
  publicUrl,
  stateDir: join(cwd, 'state'),
  entrypoints: { http: { listen } },
  auth: { login: { password: { users: { alice: { hash: await hashPassword(people.alice) } } } } },
  mcpServers: {
    everything: { command: 'node', args: [everything, 'stdio'] },
    docs: { url: `${publicUrl}/none`, enabled: false },
  },
};
writeFileSync(join(cwd, 'gateway.config.json'), JSON.stringify(config));
writeFileSync(
  join(cwd, 'claude_desktop_config.json'),
  JSON.stringify({
    mcpServers: { github: { command: 'npx', args: ['-y', 'github-mcp'], env: { GITHUB_TOKEN: 'x' } } },
  }),
);

/** Paths of the machine that the pictures are made on mean nothing to a reader; columns stay where they are. */
function inside(text: string): string {
  const at = (path: string, shownAs: string) => (seen: string) =>
    seen.replace(path, shownAs).padEnd(seen.endsWith('  ') ? seen.length : 0);
  return text
    .replace(new RegExp(`${cwd}\\S*(?: {2})?`, 'g'), at(cwd, '/srv/gateway'))
    .replace(new RegExp(`${root}\\S*(?: {2})?`, 'g'), at(root, '/opt/mcp-gateway'));
}

/** What the terminal shows; a verb that fails is shown, too. */
function shown(verb: string): string {
  const words = [process.execPath, join(root, 'src/cli.ts'), ...verb.split(' ')].map((word) => `'${word}'`).join(' ');
  const shell = `stty cols ${columns}; ${words} <"${cwd}/password" || true`;
  writeFileSync(join(cwd, 'password'), `${people.alice}\n`);
  const out = execFileSync('script', ['-qec', shell, '/dev/null'], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return inside(out.replaceAll('\r\n', '\n').trimEnd());
}

const names: Record<string, string> = {
  '--help': 'help',
  'init -c new.config.json --user alice -- npx -y some-mcp-server': 'init',
  'import claude_desktop_config.json': 'import',
  'serve -c gateway.config.json': 'serve',
  'status --state-dir nowhere': 'no-gateway',
  'backup kept.backup': 'backup',
  'restore kept.backup': 'restore',
  statuss: 'wrong-usage',
};
await using chromium = await startChromium();
await using window = await chromium.open({ viewport: { width: 960, height: 40 }, colorScheme: 'light' });
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
async function take(verb: string, text = shown(verb)): Promise<void> {
  await window.page.setContent(
    `<body style="margin:0;padding:14px 18px;background:#16181d;color:#dfe3ea;font:13px/1.45 'DejaVu Sans Mono',monospace">
<div style="color:#8fd18f">$ mcp-gateway ${escaped(verb)}</div><pre style="margin:0;font:inherit;white-space:pre-wrap;overflow-wrap:anywhere">${escaped(text)}</pre>`,
  );
  await window.page.screenshot({
    path: join(target, `${names[verb] ?? verb.replace(/\W+/g, '-')}.png`),
    fullPage: true,
  });
}

await take('--help');
await take('init -c new.config.json --user alice -- npx -y some-mcp-server');
await take('import claude_desktop_config.json');
await take('status --state-dir nowhere');
await using program = await startProgram({ config });
await take('serve -c gateway.config.json', inside(program.output().trimEnd()));
await register(publicUrl, { client_name: 'Claude' });
const token = execFileSync(
  process.execPath,
  [join(root, 'src/cli.ts'), 'token', 'issue', '--user', 'password:alice', '--server', 'everything'],
  { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
).trim();
const session = await initialized(`${publicUrl}/everything/mcp`, { authorization: `Bearer ${token}` });
for (const verb of [
  'status',
  'routes',
  'token list',
  'client list',
  'user list',
  'key list',
  'key rotate',
  'cert list',
])
  await take(verb);
for (const verb of ['user add carol', 'check', 'reload', 'backup kept.backup', 'restore kept.backup']) await take(verb);
for (const verb of ['version', 'token issue --help', 'connect --help', 'service install --help', 'statuss'])
  await take(verb);
const asked = (...words: string[]) =>
  JSON.parse(execFileSync(process.execPath, [join(root, 'src/cli.ts'), ...words, '--json'], { cwd, encoding: 'utf8' }));
const [{ id }] = asked('client', 'list') as [{ id: string }];
const [{ id: tokenId }] = asked('token', 'list') as [{ id: string }];
writeFileSync(join(cwd, 'service.config.json'), JSON.stringify({ ...config, stateDir: '/var/lib/mcp-gateway' }));
const random: readonly [verb: string, name: string][] = [
  ['token issue --user password:alice --server everything --ttl 12h', 'token-issue'],
  [`token revoke ${tokenId}`, 'token-revoke'],
  [`client show ${id}`, 'client-show'],
  [`client delete ${id}`, 'client-delete'],
  ['client add --redirect-uri https://client.example/callback --name Intranet', 'client-add'],
  ['service install --dry-run -c service.config.json', 'service-install'],
];
for (const [verb, name] of random) {
  names[verb] = name;
  await take(verb);
}
writeFileSync(join(cwd, 'acme.json'), '{}');
for (const verb of ['config show', 'user remove carol', 'cert renew', 'cert import acme.json']) await take(verb);
for (const verb of ['service uninstall', 'status --timeline']) await take(verb);
await session.end();
