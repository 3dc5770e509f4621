/** Every known client's run: at a trial of the gateway with a person who allows everything, and through the front door. */

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';
import type { GatewayConfig } from '../config.ts';
import { startGateway } from '../gateway.ts';
import { silent } from '../log.ts';
import { clientProfiles } from './client-profiles.ts';
import { RunStopped } from './client-requests.ts';
import { clientRun, type RunOptions } from './client-run.ts';
import { type Finding, fault, ok, reasonOf, warning } from './finding.ts';
import { clock } from './network.ts';
import { trialOf } from './trial.ts';

/** Milliseconds; the first call of a server may have to download it. */
const trialPatience = 60_000;
const frontPatience = 10_000;

/**
 * The gateway of this configuration on a socket of its own, where each client goes all the way to the tools of the first
 * guarded server. No identity provider is asked: the person is one of the check's own.
 */
export async function clientsAtTrial(config: GatewayConfig): Promise<Finding[]> {
  const [first] = Object.entries(config.mcpServers).filter(([, server]) => server.enabled && !server.public);
  if (first === undefined) return [];
  const [name, server] = first;
  const directory = mkdtempSync(join(tmpdir(), 'mcp-gateway-check-'));
  const socketPath = join(directory, 'gateway.sock');
  const trial: GatewayConfig = {
    ...trialOf(config, socketPath),
    mcpServers: { [name]: { ...server, allow: {} } },
    routers: [],
    services: {},
  };
  const agent = new Agent({ connect: { socketPath } });
  try {
    await using gateway = await startGateway(trial, silent);
    const { clients, grants } = gateway.administration;
    const url = gateway.servers[0]?.url ?? '';
    const identity = { subject: 'password:check', username: 'check' };
    const scope = server.scopes.length > 0 ? server.scopes : ['mcp'];
    const person: RunOptions['person'] = async ({ clientId, redirectUri, codeChallenge }) => {
      const client = await clients.find(clientId);
      if (client === undefined) throw new RunStopped('authorization', 'the client is gone', 'run the check again');
      return grants.issueCode({ client, redirectUri, codeChallenge, resources: [url], scope, identity });
    };
    const options = {
      url,
      issuer: gateway.publicUrl.origin,
      dispatcher: agent,
      plain: true,
      person,
      patience: trialPatience,
    };
    return await runs(options, (client) => `${client} at ${name}`);
  } finally {
    await agent.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** As clients come: by publicUrl, through DNS, firewall and whatever stands in front. */
export async function clientsAtFront(config: GatewayConfig): Promise<Finding[]> {
  const { publicUrl } = config;
  if (publicUrl === undefined) return [];
  const root = join(config.stateDir ?? '', 'internal-authority', 'root.pem');
  const ca = config.tls?.internal && existsSync(root) ? { connect: { ca: readFileSync(root, 'utf8') } } : {};
  const agent = new Agent(ca);
  try {
    return await throughFront(config, publicUrl, agent);
  } finally {
    await agent.destroy();
  }
}

async function throughFront(config: GatewayConfig, publicUrl: URL, agent: Agent): Promise<Finding[]> {
  const what = `front door ${publicUrl.origin}`;
  const options = { dispatcher: agent, redirect: 'manual', signal: AbortSignal.timeout(frontPatience) } as const;
  const answer = await fetch(publicUrl, options).catch((error: unknown) => unreachable(what, error));
  if (!('headers' in answer)) return [answer];
  await answer.arrayBuffer();
  const found = [ok(what, 'answers'), ...clock('the front door', answer.headers.get('date'))];
  const guarded = Object.entries(config.mcpServers).find(([, server]) => server.enabled && !server.public);
  if (guarded === undefined) return found;
  const [name, { host, path }] = guarded;
  const url =
    host === undefined
      ? new URL(path ?? `/${name}/mcp`, publicUrl).href.replace(/\/$/, '')
      : `${publicUrl.protocol}//${host}/mcp`;
  const run = { url, issuer: publicUrl.origin, dispatcher: agent, patience: frontPatience };
  return [...found, ...(await runs(run, (client) => `${client} at ${url}`))];
}

function unreachable(what: string, error: unknown): Finding {
  const { code, text } = reasonOf(error);
  const detail = `cannot be reached (${text}); `;
  if (code === 'ECONNREFUSED')
    return warning(what, `${detail}start the gateway and check again; if it runs, the port is closed or not forwarded`);
  return fault(
    what,
    `${detail}see DNS, firewall and certificate, and that this host may connect to its own public address`,
  );
}

async function runs(options: RunOptions, what: (client: string) => string): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const profile of clientProfiles) {
    try {
      findings.push(ok(what(profile.name), await clientRun(profile, options)));
    } catch (error) {
      if (!(error instanceof RunStopped)) throw error;
      findings.push(fault(what(profile.name), `${error.step}: ${error.message}`));
    }
  }
  return findings;
}
