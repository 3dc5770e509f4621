/** `check`: the configuration, every fault at once, then a trial of what it names. */

import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { Agent, fetch } from 'undici';
import { type GatewayConfig, loadConfig } from '../config.ts';
import { administratorsKnown } from '../doctor/administrators.ts';
import { certificateFiles, certificatesInService } from '../doctor/certificates.ts';
import { clientsAtFront, clientsAtTrial } from '../doctor/clients.ts';
import { type Finding, warning } from '../doctor/finding.ts';
import { portsFree, stateDirWritable } from '../doctor/machine.ts';
import { network } from '../doctor/network.ts';
import { trialOf } from '../doctor/trial.ts';
import { routeTable, startGateway } from '../gateway.ts';
import type { CertificateRow } from '../gateway-status.ts';
import { silent } from '../log.ts';
import { isStdio } from '../mcp/config.ts';
import { askGateway } from './admin-client.ts';
import { printSentences } from './table.ts';
import { progress } from './terminal.ts';

export async function check(options: { config?: string; offline?: true; json?: true }): Promise<void> {
  const config = loadConfig({ ...(options.config !== undefined && { file: options.config }), env: process.env });
  const findings: Finding[] = [{ what: 'configuration', verdict: 'ok', detail: 'valid' }, ...nobodyGetsIn(config)];
  findings.push(...administratorsKnown(config), ...commandsOnPath(config), ...(await routersAtWork(config)));
  findings.push(...stateDirWritable(config), ...certificateFiles(config));
  findings.push(...(await certificatesOf(config)));
  if (!options.offline) {
    progress('Trying ports, names and whatever else the configuration leads to …');
    findings.push(...(await portsFree(config)), ...(await network(config)));
    progress('Starting each server; the first time its package may have to be fetched …');
    const servers = await initializeEach(config);
    findings.push(...servers);
    progress('Playing the run of each known client …');
    // A server that does not answer would be every client's fault in turn.
    if (servers.every(({ verdict }) => verdict === 'ok')) findings.push(...(await clientsAtTrial(config)));
    findings.push(...(await clientsAtFront(config)));
  }
  if (options.json) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`);
  else
    printSentences(
      ['WHAT', 'VERDICT', 'DETAIL'],
      findings.map(({ what, verdict, detail }) => [what, verdict, detail]),
    );
  const faults = findings.filter(({ verdict }) => verdict === 'fault').length;
  if (faults > 0) throw new Error(`check found ${faults === 1 ? 'one fault' : `${faults} faults`}`);
}

/** The running gateway alone knows them; where none runs there is nothing to say yet. */
async function certificatesOf({ tls, stateDir }: GatewayConfig): Promise<Finding[]> {
  if (tls?.acme === undefined || stateDir === undefined) return [];
  try {
    const answer = await askGateway({ stateDir }, 'GET', '/certificates');
    return certificatesInService((answer as { certificates: CertificateRow[] }).certificates);
  } catch (error) {
    const { message, cause } = error as Error;
    const { code } = (cause ?? {}) as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ECONNREFUSED' ? [] : [warning('certificates of tls.acme', message)];
  }
}

/** Fail closed is right and still a surprise: an empty allow list admits nobody. */
function nobodyGetsIn({ auth }: GatewayConfig): Finding[] {
  const { github, oidc = [] } = auth.login;
  const ways = [
    ...(github ? [{ path: 'auth.login.github.allow', allow: github.allow }] : []),
    ...oidc.map(({ name, allow }) => ({ path: `auth.login.oidc.allow (${name})`, allow })),
  ];
  const closed = ways.filter(({ allow }) => Object.values(allow).every((list) => list.length === 0));
  return closed.map(({ path }) => ({
    what: path,
    verdict: 'warning',
    detail: 'is empty, so nobody gets in this way; name somebody, or "*" for everybody',
  }));
}

function commandsOnPath({ mcpServers }: GatewayConfig): Finding[] {
  return Object.entries(mcpServers).flatMap(([name, server]): Finding[] => {
    if (!server.enabled || !isStdio(server)) return [];
    const what = `mcpServers.${name}.command`;
    const found = programFile(server.command, server.cwd);
    if (found !== undefined) return [{ what, verdict: 'ok', detail: found }];
    const detail = `${server.command} is not a program on the PATH; install it or write its full path`;
    return [{ what, verdict: 'fault', detail }];
  });
}

/** A router that cannot work is disabled alone, so that nothing else would tell. */
async function routersAtWork(config: GatewayConfig): Promise<Finding[]> {
  if (config.routers.length === 0) return [];
  const table = await routeTable(config, silent);
  return config.routers.flatMap(({ name }): Finding[] => {
    const row = table.find((each) => each.name === name);
    if (row === undefined) return [];
    const { disabled, guarded, target, warnings } = row;
    const what = `routers ${name}`;
    if (disabled !== undefined) return [{ what, verdict: 'fault', detail: `disabled: ${disabled}` }];
    const works: Finding = { what, verdict: 'ok', detail: `${guarded ? 'guarded' : 'public'}, ${target}` };
    return [works, ...warnings.map((detail): Finding => ({ what, verdict: 'warning', detail }))];
  });
}

function programFile(command: string, cwd = '.'): string | undefined {
  const places = command.includes('/') ? [resolve(cwd)] : (process.env.PATH ?? '').split(delimiter);
  return places
    .map((place) => resolve(place, command))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** The gateway itself, on a socket that only this user can open, with each server reachable through it. */
async function initializeEach(config: GatewayConfig): Promise<Finding[]> {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-gateway-check-'));
  const socketPath = join(directory, 'gateway.sock');
  const trial: GatewayConfig = {
    ...trialOf(config, socketPath),
    mcpServers: Object.fromEntries(
      Object.entries(config.mcpServers).map(([name, server]) => [name, { ...server, public: true }]),
    ),
  };
  const agent = new Agent({ connect: { socketPath } });
  try {
    await using gateway = await startGateway(trial, silent);
    return await Promise.all(
      gateway.servers.map(async ({ name, url }): Promise<Finding> => {
        const what = `mcpServers.${name} initialize`;
        try {
          return { what, verdict: 'ok', detail: await initialize(url, agent) };
        } catch (error) {
          return { what, verdict: 'fault', detail: error instanceof Error ? error.message : String(error) };
        }
      }),
    );
  } finally {
    await agent.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Answers the server's own name and version. Throws a sentence that says what came instead. */
async function initialize(url: string, dispatcher: Agent): Promise<string> {
  const response = await fetch(url.replace(/^https:/, 'http:'), {
    dispatcher,
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: {
        protocolVersion: '2025-11-25',
        capabilities: {},
        clientInfo: { name: 'mcp-gateway check', version: '1' },
      },
    }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  const message: unknown = JSON.parse(/^data: (\{.*)$/m.exec(text)?.[1] ?? text);
  const { result, error } = message as {
    result?: { serverInfo?: { name?: string; version?: string } };
    error?: { message?: string };
  };
  if (result === undefined) throw new Error(`answers ${response.status}: ${error?.message ?? text.slice(0, 200)}`);
  return `${result.serverInfo?.name ?? 'a server'} ${result.serverInfo?.version ?? ''}`.trim();
}
