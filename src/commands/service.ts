/** `service`: the gateway as a hardened systemd service that starts with the machine. */

import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isSea } from 'node:sea';
import { readConfigFile } from '../config-file.ts';
import { plannedConfig } from './new-config.ts';
import { service, serviceUnits } from './service-units.ts';
import { progress } from './terminal.ts';

interface Options {
  readonly json?: true;
}

/** The administrator's own units; those of a package are elsewhere, and these come before them. */
const unitDirectory = '/etc/systemd/system';
const unitNames = [service.unit, 'mcp-gateway-http.socket', 'mcp-gateway-https.socket'];

export function serviceInstall(options: Options & { config?: string; dryRun?: true }): void {
  const config = resolve(options.config ?? service.config);
  const listen = listenOf(config);
  const units = serviceUnits({ program: program(), config, listen });
  const files = Object.fromEntries(Object.entries(units).map(([name, text]) => [join(unitDirectory, name), text]));
  if (!options.dryRun) install(config, files);
  if (options.json) process.stdout.write(`${JSON.stringify({ files, started: !options.dryRun }, null, 2)}\n`);
  else if (options.dryRun)
    for (const [file, text] of Object.entries(files)) process.stdout.write(`# ${file}\n${text}\n`);
  else
    process.stdout.write(`${service.unit} is at work, now and whenever the machine starts. See: mcp-gateway status\n`);
}

export function serviceUninstall(options: Options & { purge?: true }): void {
  needRoot('uninstall');
  const removed = unitNames.map((name) => join(unitDirectory, name)).filter((file) => existsSync(file));
  if (removed.length === 0 && !options.purge)
    throw new Error(`there is no service to uninstall: ${unitDirectory} has no ${service.unit}`);
  // A socket would start the service again at the next connection.
  for (const name of unitNames.toReversed()) {
    if (!removed.includes(join(unitDirectory, name))) continue;
    run('systemctl', 'disable', '--now', '--quiet', name);
    rmSync(join(unitDirectory, name));
  }
  run('systemctl', 'daemon-reload');
  const gone = [service.cacheDir, ...(options.purge ? [service.stateDir, join(service.config, '..')] : [])];
  for (const directory of gone.filter((each) => existsSync(each))) {
    rmSync(directory, { recursive: true });
    removed.push(directory);
  }
  if (options.purge && hasUser()) run('userdel', service.user);
  if (options.json) process.stdout.write(`${JSON.stringify({ removed }, null, 2)}\n`);
  else {
    process.stdout.write(removed.map((each) => `removed ${each}\n`).join(''));
    if (!options.purge)
      process.stdout.write(`The configuration and ${service.stateDir} stay; --purge removes them, too.\n`);
  }
}

function install(config: string, files: Readonly<Record<string, string>>): void {
  needRoot('install');
  run('systemd-sysusers', '--inline', `u ${service.user} - "mcp-gateway" ${service.cacheDir}`);
  // The file may hold secrets, and the service is not root.
  run('chgrp', service.user, config);
  chmodSync(config, 0o640);
  const sockets = Object.keys(files).filter((file) => file.endsWith('.socket'));
  const former = unitNames.map((name) => join(unitDirectory, name)).filter((file) => existsSync(file));
  const moved = [...sockets, ...former].some((file) => file.endsWith('.socket') && textOf(file) !== files[file]);
  // systemd moves no socket whose service runs; where no address changed, nobody is refused. Patterns may match nothing.
  if (moved) run('systemctl', 'stop', 'mcp-gateway-http*.socket', 'mcp-gateway[.]service');
  for (const file of former) if (!(file in files)) removeUnit(file);
  for (const [file, text] of Object.entries(files)) writeFileSync(file, text, { mode: 0o644 });
  run('systemctl', 'daemon-reload');
  run('systemctl', 'enable', '--quiet', ...Object.keys(files).map(nameOf));
  if (sockets.length > 0) run('systemctl', 'start', ...sockets.map(nameOf));
  progress('Starting; this takes as long as the first start of the gateway.');
  run('systemctl', 'restart', service.unit);
}

const nameOf = (file: string) => file.slice(unitDirectory.length + 1);
const textOf = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);

function removeUnit(file: string): void {
  run('systemctl', 'disable', '--quiet', nameOf(file));
  rmSync(file);
}

/** The words that start this program. Throws where a service could not read it. */
function program(): string[] {
  const words = isSea() ? [process.execPath] : [process.execPath, realpathSync(process.argv[1] ?? '')];
  const hidden = words.find((word) => /^\/(home|root|run\/user|tmp|var\/tmp)\//.test(word));
  if (hidden !== undefined)
    throw new Error(
      `a service cannot see ${hidden}; put the program elsewhere: sudo install ${hidden} /usr/local/bin/`,
    );
  return words;
}

/** Where each entrypoint listens. Throws with every fault of the configuration that would keep a service from starting. */
function listenOf(file: string): Record<string, string> {
  if (!existsSync(file))
    throw new Error(`there is no ${file}; write it with "mcp-gateway init -c ${file}", or name another with -c`);
  const config = plannedConfig(readConfigFile(file));
  const { stateDir = service.stateDir, auth, entrypoints } = config;
  if (stateDir !== service.stateDir && !stateDir.startsWith(`${service.stateDir}/`))
    throw new Error(`${file}: stateDir: the service may write to ${service.stateDir} alone; set it to that`);
  if (Object.values(auth.login).every((way) => way === undefined))
    throw new Error(`${file}: auth.login: without it each start would make a new password; configure a login`);
  return Object.fromEntries(Object.entries(entrypoints).map(([name, { listen }]) => [name, listen]));
}

function needRoot(verb: string): void {
  if (process.getuid?.() !== 0) throw new Error(`service ${verb} changes the system; run it with sudo`);
  if (!existsSync('/run/systemd/system'))
    throw new Error('systemd does not run here; "service install --dry-run" prints the units for another machine');
}

function hasUser(): boolean {
  return readFileSync('/etc/passwd', 'utf8').includes(`\n${service.user}:`);
}

/** Throws what the program had to say. */
function run(command: string, ...args: string[]): void {
  try {
    execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  } catch (cause) {
    const { stderr = '', message } = cause as { stderr?: string; message: string };
    throw new Error(`${command} ${args.join(' ')} failed: ${stderr.trim().replaceAll('\n', ' ') || message}`, {
      cause,
    });
  }
}
