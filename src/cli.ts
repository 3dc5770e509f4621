#!/usr/bin/env node
/** The verbs. Each one's code is loaded when it is called, so that none pays for the others at start. */

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { logLevels } from './log.ts';
import { version } from './version.ts';

const program = new Command('mcp-gateway')
  .description('Puts any MCP server on the internet, safely: OAuth 2.1, routing and a stdio bridge in one process.')
  .version(version, '-V, --version', 'print the version')
  .helpCommand(false)
  .showSuggestionAfterError()
  .configureHelp({ showGlobalOptions: false })
  .exitOverride();

const configOption = () => new Option('-c, --config <file>', 'the configuration file');
const stateDirOption = () => new Option('--state-dir <dir>', 'the state directory of the running gateway');
const jsonOption = () => new Option('--json', 'print JSON');

function verb(name: string, description: string, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ mcp-gateway ${example}`).join('\n');
  return program.command(name).description(description).exitOverride().addHelpText('after', `\nExamples:\n${lines}`);
}

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

verb('status', 'show what the running gateway does: servers, children, sessions, certificates, requests', [
  'status',
  'status --state-dir /var/lib/mcp-gateway --json',
])
  .addOption(configOption())
  .addOption(stateDirOption())
  .addOption(jsonOption())
  .action(async (options) => (await import('./commands/status.ts')).status(options));

verb('reload', 'have the running gateway read its configuration anew, and say what is wrong with it', ['reload'])
  .addOption(configOption())
  .addOption(stateDirOption())
  .action(async (options) => (await import('./commands/status.ts')).reload(options));

const config = verb('config', 'print the JSON Schema of the configuration, or the configuration in effect', [
  'config schema > gateway.schema.json',
  'config show -c gateway.config.json',
]);
config
  .command('schema')
  .description('the JSON Schema of the configuration file')
  .action(async () => (await import('./commands/config.ts')).configSchema());
config
  .command('show')
  .description('the configuration in effect, secrets masked')
  .addOption(configOption())
  .action(async (options) => (await import('./commands/config.ts')).configShow(options));

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

/** 0 on success, 2 on wrong usage, 1 on any other failure, which is told in one sentence. */
function exitCode(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof InvalidArgumentError) return 2;
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const debug = process.argv.join(' ').includes('--log-level debug') || process.argv.includes('--log-level=debug');
  process.stderr.write(`mcp-gateway: ${message}\n${debug && stack !== undefined ? `${stack}\n` : ''}`);
  return 1;
}

void main();
