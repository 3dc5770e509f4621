#!/usr/bin/env node
/** The verbs. Each one's code is loaded when it is called, so that none pays for the others at start. */

import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { exitCode, wrongUsage } from './commands/failure.ts';
import { logLevels } from './log.ts';
import { version } from './version.ts';

export const program = new Command('mcp-gateway')
  .description('Puts any MCP server on the internet, safely: OAuth 2.1, routing and a stdio bridge in one process.')
  .version(version, '-V, --version', 'print the version')
  .helpCommand(false)
  .showSuggestionAfterError()
  .configureOutput({ outputError: wrongUsage('') })
  .exitOverride();

const configOption = () => new Option('-c, --config <file>', 'the configuration file');
const stateDirOption = () => new Option('--state-dir <dir>', 'the state directory of the running gateway');
const jsonOption = () => new Option('--json', 'print JSON');

function verb(name: string, description: string, examples: readonly string[], parent = program): Command {
  const lines = examples.map((example) => `  $ mcp-gateway ${example}`).join('\n');
  const path = [...(parent === program ? [] : [parent.name()]), name].join(' ');
  return parent
    .command(name)
    .description(description)
    .exitOverride()
    .helpCommand(false)
    .configureOutput({ outputError: wrongUsage(path) })
    .addHelpText('after', `\nExamples:\n${lines}`);
}

/** A verb for the running gateway. */
function admin(name: string, description: string, examples: readonly string[], parent = program): Command {
  return verb(name, description, examples, parent)
    .addOption(configOption())
    .addOption(stateDirOption())
    .addOption(jsonOption());
}

const lifetime = (text: string) => {
  if (/^[1-9]\d*(s|m|h|d)$/.test(text)) return text;
  throw new InvalidArgumentError('Write it like 12h or 30d.');
};
const several = (value: string, former: readonly string[] = []) => [...former, value];

verb('serve', 'run the gateway in the foreground until SIGTERM or SIGINT; SIGHUP reloads the configuration', [
  'serve -- npx -y @modelcontextprotocol/server-everything',
  'serve -c gateway.config.json',
  'serve --listen 127.0.0.1:9000 --name files -- npx -y @modelcontextprotocol/server-filesystem .',
])
  .argument('[command...]', 'after --: one stdio MCP server to publish without a configuration file')
  .addOption(configOption())
  .option('--listen <host:port>', 'where to listen')
  .option('--public-url <url>', 'the base of every URL the gateway prints, and the issuer of its tokens')
  .option('--name <name>', 'the name of the server after --')
  .option('--state-dir <dir>', 'where keys, grants and certificates are kept')
  .option('--store <url>', 'memory:, file:, file:PATH, redis://HOST or rediss://HOST')
  .addOption(new Option('--log-level <level>', 'the least important level that is logged').choices(logLevels))
  .addOption(new Option('--log-format <format>', 'how a line is written').choices(['json', 'pretty']))
  .action(async (command: string[], options) => (await import('./commands/serve.ts')).serve(command, options));

verb('check', 'validate the configuration, every fault at once, then probe what it names', [
  'check',
  'check -c gateway.config.json --offline',
])
  .addOption(configOption())
  .option('--offline', 'skip what needs the network or starts a server')
  .addOption(jsonOption())
  .action(async (options) => (await import('./commands/check.ts')).check(options));

verb('routes', 'print the route table in match order', ['routes', 'routes -c gateway.config.json --json'])
  .addOption(configOption())
  .addOption(jsonOption())
  .action(async (options) => (await import('./commands/routes.ts')).routes(options));

admin('status', 'show what the running gateway does: servers, children, sessions, certificates, requests', [
  'status',
  'status --timeline',
  'status --state-dir /var/lib/mcp-gateway --json',
])
  .option('--timeline', 'show how far each client came on its way to a call, and which step never came')
  .action(async (options) => (await import('./commands/status.ts')).status(options));

admin('reload', 'have the running gateway read its configuration anew, and say what is wrong with it', [
  'reload',
]).action(async (options) => (await import('./commands/status.ts')).reload(options));

const token = verb('token', 'personal tokens of the running gateway, for scripts that have no browser', [
  'token issue --user octocat --server files --ttl 30d',
]);
admin('issue', 'make a token; it is shown once', ['token issue --user alice --server files --ttl 12h > token'], token)
  .requiredOption('--user <name>', 'whom it speaks for: a name known here, or PROVIDER:SUBJECT')
  .requiredOption('--server <name>', 'what it opens, by name or URL; may be repeated', several)
  .option('--ttl <duration>', 'how long it is good', lifetime, '30d')
  .option('--scope <scope>', 'what it may do there; may be repeated. [all that the servers ask for]', several)
  .option('--name <text>', 'for people to tell it from others')
  .action(async (options) => (await import('./commands/token.ts')).tokenIssue(options));
admin('list', 'the tokens that are good', ['token list'], token).action(async (options) =>
  (await import('./commands/token.ts')).tokenList(options),
);
admin('revoke', 'take a token back at once', ['token revoke ID'], token)
  .argument('<id>', 'as "token list" shows it')
  .action(async (id, options) => (await import('./commands/token.ts')).tokenRevoke(id, options));

const client = verb('client', 'OAuth clients of the running gateway', ['client list', 'client show ID']);
admin('list', 'the clients, and how many people let each in', ['client list --json'], client).action(async (options) =>
  (await import('./commands/client.ts')).clientList(options),
);
admin('show', 'what a client said of itself, and who let it in', ['client show ID'], client)
  .argument('<id>', 'its client_id')
  .action(async (id, options) => (await import('./commands/client.ts')).clientShow(id, options));
admin('delete', 'end a client and all its tokens', ['client delete ID'], client)
  .argument('<id>', 'its client_id')
  .action(async (id, options) => (await import('./commands/client.ts')).clientDelete(id, options));
admin(
  'add',
  'register a client that cannot register itself',
  ['client add --redirect-uri https://a.example/cb'],
  client,
)
  .requiredOption('--redirect-uri <uri>', 'where codes may go; may be repeated', several)
  .option('--name <text>', 'shown to people who are asked to let it in')
  .option('--secret', 'give it a secret, which is shown once')
  .action(async (options) => (await import('./commands/client.ts')).clientAdd(options));

const user = verb('user', 'people who log in with a name and password', ['user add alice', 'user list']);
admin(
  'add',
  'add a person; the password is read from the terminal or standard input',
  ['user add alice', 'user add alice --print < password'],
  user,
)
  .argument('<name>', 'what they log in as')
  .option('--replace', 'give somebody a new password')
  .option('--print', 'print the hash for auth.login.password.users of the configuration, and add nobody')
  .action(async (name, options) => (await import('./commands/user.ts')).userAdd(name, options));
admin('list', 'the people of the configuration and those added', ['user list'], user).action(async (options) =>
  (await import('./commands/user.ts')).userList(options),
);
admin('remove', 'remove a person, who is logged out everywhere', ['user remove alice'], user)
  .argument('<name>', 'what they log in as')
  .action(async (name, options) => (await import('./commands/user.ts')).userRemove(name, options));

const key = verb('key', 'the keys that access tokens are signed with', ['key list', 'key rotate']);
admin('list', 'the keys, and which one signs', ['key list'], key).action(async (options) =>
  (await import('./commands/key.ts')).keyList(options),
);
admin('rotate', 'sign with a new key; tokens that are out stay good', ['key rotate', 'key rotate --compromised'], key)
  .option('--compromised', 'forget all former keys at once: every access token ends')
  .action(async (options) => (await import('./commands/key.ts')).keyRotate(options));

const cert = verb('cert', 'certificates of the running gateway', [
  'cert list',
  'cert renew mcp.example.com',
  'cert import /etc/traefik/acme.json',
]);
admin('list', 'the certificates and their days left', ['cert list'], cert).action(async (options) =>
  (await import('./commands/cert.ts')).certList(options),
);
admin('renew', 'order now, whatever the plan says', ['cert renew', 'cert renew mcp.example.com'], cert)
  .argument('[host]', 'the host. [every one]')
  .action(async (host, options) => (await import('./commands/cert.ts')).certRenew(host, options));

verb('import', 'take over the accounts and certificates of Traefik’s acme.json', ['cert import acme.json'], cert)
  .argument('<file>', 'where Traefik keeps them')
  .addOption(configOption())
  .addOption(jsonOption())
  .action(async (file: string, options) => (await import('./commands/cert-import.ts')).certImport(file, options));

verb('backup', 'write clients, grants, keys and certificates to a file that only its owner may read', [
  'backup gateway.backup',
])
  .argument('<file>', 'written anew; the former one stays until the new one is whole')
  .addOption(configOption())
  .addOption(jsonOption())
  .action(async (file: string, options) => (await import('./commands/backup.ts')).backup(file, options));

verb(
  'restore',
  'read a backup into the store, also one of another kind, or take over the clients of mcp-oauth-gateway',
  ['restore gateway.backup', 'restore --replace gateway.backup', 'restore oauth-backup-20250101-000000.json'],
)
  .argument('<file>', 'as "backup" wrote it, or the JSON backup of mcp-oauth-gateway')
  .option('--replace', 'delete what the store has before')
  .addOption(configOption())
  .addOption(jsonOption())
  .action(async (file: string, options) => (await import('./commands/restore.ts')).restore(file, options));

const config = verb('config', 'print the JSON Schema of the configuration, or the configuration in effect', [
  'config schema > gateway.schema.json',
  'config show -c gateway.config.json',
]);
verb('schema', 'the JSON Schema of the configuration file', ['config schema > gateway.schema.json'], config)
  .addOption(jsonOption())
  .action(async () => (await import('./commands/config.ts')).configSchema());
verb('show', 'the configuration in effect, secrets masked', ['config show -c gateway.config.json'], config)
  .addOption(configOption())
  .addOption(jsonOption())
  .action(async (options) => (await import('./commands/config.ts')).configShow(options));

verb('init', 'write a configuration to begin with, from flags or from answers at the terminal', [
  'init',
  'init --public-url https://mcp.example.com --github-client-id Iv1.0123 --allow octocat -- npx -y some-mcp-server',
])
  .argument('[command...]', 'after --: a first stdio server')
  .addOption(new Option('-c, --config <file>', 'the file to write. [gateway.config.json]'))
  .option('--force', 'overwrite the file where there is one')
  .option('--public-url <url>', 'where people reach the gateway')
  .option('--listen <host:port>', 'where to listen')
  .option('--state-dir <dir>', 'where keys, grants and certificates are kept')
  .addOption(new Option('--login <way>', 'how people log in').choices(['github', 'password']))
  .option('--github-client-id <id>', 'client id of the GitHub OAuth app')
  .option('--allow <login>', 'a GitHub user to let in, or *; may be repeated', several)
  .option('--user <name>', 'the first user, whose password is read from the terminal or standard input')
  .addOption(new Option('--certificates <source>', 'for https').choices(['acme', 'internal', 'none']))
  .option('--email <address>', 'where the issuer of certificates may write to')
  .option('--name <name>', 'the name of the server after --')
  .addOption(jsonOption())
  .action(async (command: string[], options) => (await import('./commands/init.ts')).init(command, options));

verb('import', 'turn the servers of Claude Desktop, VS Code or Cursor into our configuration', [
  'import ~/.config/Claude/claude_desktop_config.json',
  'import .vscode/mcp.json -c gateway.config.json',
])
  .argument('<file>', 'where the client keeps its servers')
  .addOption(new Option('-c, --config <file>', 'add them to this configuration. [print them]'))
  .option('--force', 'replace servers of the same name')
  .addOption(jsonOption())
  .action(async (file, options) => (await import('./commands/import.ts')).importFile(file, options));

verb('connect', 'let a client that speaks stdio alone use a server elsewhere, with the login that it wants', [
  'connect https://mcp.example.com/files/mcp',
  'connect --device https://mcp.example.com/files/mcp',
  'connect --header "Authorization: Bearer $TOKEN" https://mcp.example.com/files/mcp',
  'connect --logout https://mcp.example.com/files/mcp',
])
  .argument('<url>', 'the MCP endpoint, of this gateway or of any other server')
  .option('--device', 'log in with a code on another device. [where this machine has no browser]')
  .option(
    '--header <line>',
    'added to every request; $NAME stands for a variable of the environment; may be repeated',
    several,
  )
  .option('--client-id <id>', 'a client registered by hand, where none can register itself')
  .option('--client-secret-file <file>', 'its secret, if it has one')
  .option('--logout', 'take the tokens back and forget them')
  .option('--state-dir <dir>', 'where tokens are kept. [~/.local/state/mcp-gateway]')
  .addOption(new Option('--log-level <level>', 'the least important level that is logged').choices(logLevels))
  .action(async (url: string, options) => (await import('./commands/connect.ts')).connect(url, options));

const service = verb('service', 'the gateway as a hardened systemd service that starts with this machine', [
  'service install',
]);
verb(
  'install',
  'write the units, start the service and have it start with the machine; again after the addresses changed',
  ['service install', 'service install --dry-run'],
  service,
)
  .addOption(new Option('-c, --config <file>', 'the configuration. [/etc/mcp-gateway/gateway.config.json]'))
  .option('--dry-run', 'print the units and change nothing')
  .addOption(jsonOption())
  .action(async (options) => (await import('./commands/service.ts')).serviceInstall(options));
verb('uninstall', 'stop the service and remove it', ['service uninstall', 'service uninstall --purge'], service)
  .option('--purge', 'remove its configuration, its state and its user as well')
  .addOption(jsonOption())
  .action(async (options) => (await import('./commands/service.ts')).serviceUninstall(options));

verb('completion', 'print what makes a shell complete our verbs', [
  'completion bash > /etc/bash_completion.d/mcp-gateway',
  'completion fish > ~/.config/fish/completions/mcp-gateway.fish',
])
  .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh', 'fish']))
  .action(async (shell) => (await import('./commands/completion.ts')).completion(shell, program));

verb('version', 'print the version, the version of Node and whether this is the single executable', ['version --json'])
  .addOption(jsonOption())
  .action(async (options) => (await import('./commands/version.ts')).printVersion(options));

async function main(): Promise<void> {
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = exitCode(error);
  }
}

// Undefined in the bundle, and before Node 24.2.
if (import.meta.main !== false) void main();
